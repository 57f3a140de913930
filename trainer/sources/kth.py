"""KTH actions (Schuldt, Laptev and Caputo, ICPR 2004): 25 persons, six actions, four scenes, one video of each."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from schemas.errors import InputError
from trainer.data.splits import Split
from trainer.sources.clips import Clip
from trainer.sources.footage import contents
from trainer.sources.images import natural

LIST: Final = "00sequences.txt"
"""What the owners say of persons and frames, where it lies in the folder or one above a video."""
VALIDATION: Final = frozenset({19, 20, 21, 23, 24, 25, 1, 4})
TEST: Final = frozenset({22, 2, 3, 5, 6, 7, 8, 9, 10})
"""Persons; the others, 11 to 18, train."""
PERSONS: Final = 25
_VIDEO = re.compile(r"(person(\d\d)_[a-z]+_d\d)(_uncomp)?\.avi")
_LINE = re.compile(r"^(person\d\d_[a-z]+_d\d)\s+frames\s+(.+)$", re.MULTILINE)
_RANGE = re.compile(r"(\d+)-(\d+)")


class _Video(NamedTuple):
    name: str
    person: int
    file: Path


def survey(source: Path) -> list[Clip]:
    """
    Return the videos of KTH below a folder, with the persons' split and the frames that the owners list.

    Of a video that the list knows, only the frames in its ranges are used: in between the person is out of the picture.
    The list counts from 1, and ends may lie past the end of a video.

    Raises
    ------
    InputError
        there is none.
    """
    videos = [
        _Video(match[1], int(match[2]), file)
        for file in sorted(source.rglob("*.avi"), key=natural)
        if (match := _VIDEO.fullmatch(file.name))
    ]
    if not videos:
        raise InputError(
            f"{source} holds {contents(source)}; give the folder with KTH's videos, e.g. "
            "walking/person01_walking_d1_uncomp.avi"
        )
    ranges = _ranges(source)
    return [
        Clip(
            name=video.file.relative_to(source).as_posix(),
            files=(video.file,),
            split=_split(video.person),
            ranges=ranges.get(video.name, ()),
        )
        for video in videos
    ]


def _split(person: int) -> Split:
    if not 1 <= person <= PERSONS:
        raise InputError(f"there is a video of person {person}; KTH has 1 to {PERSONS}, give its videos alone")
    return "validation" if person in VALIDATION else "test" if person in TEST else "train"


def _ranges(source: Path) -> Mapping[str, tuple[tuple[int, int], ...]]:
    """Return the frames that are listed of every video, (start, stop) from 0; nothing where there is no list."""
    try:
        text = next(source.rglob(LIST)).read_text(encoding="latin-1")
    except StopIteration:
        return {}
    return {
        name: tuple((int(first) - 1, int(last)) for first, last in _RANGE.findall(listed))
        for name, listed in _LINE.findall(text)
    }
