"""Videos and folders of images, wherever they lie: each is a clip."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from schemas.errors import InputError
from trainer.sources.clips import Clip
from trainer.sources.images import images_in, natural

VIDEO_SUFFIXES: Final = frozenset(
    {".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ogv", ".webm", ".wmv"}
)
"""Of files that are a clip each."""


def survey(source: Path) -> list[Clip]:
    """
    Return the videos and the folders of images below a folder; a file is the one clip.

    Images of a folder are its frames in natural order. Where all of their names end with a number, and these increase,
    a number that lacks is a gap.

    Raises
    ------
    InputError
        there is none.
    """
    if source.is_file():
        return [Clip(name=source.name, files=(source,))]
    videos = [
        Clip(name=name, files=(file,))
        for file in source.rglob("*")
        if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file()
        for name in [file.relative_to(source).as_posix()]
    ]
    clips = sorted([*videos, *_folders(source)], key=lambda clip: natural(Path(clip.name)))
    if not clips:
        raise InputError(f"{source} holds {contents(source)}; give a folder with videos or with folders of images")
    return clips


def contents(folder: Path) -> str:
    """Return in a few words what lies below a folder, for messages: 3 .mp4, 1 .txt."""
    counts: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            kind = path.suffix.lower() or "without suffix"
            counts[kind] = counts.get(kind, 0) + 1
    if not counts:
        return "no files"
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items(), key=lambda entry: -entry[1])[:4])


def numbers_of(files: list[Path]) -> tuple[int, ...]:
    """Return the numbers at the ends of some files' names; () where one has none or they do not increase."""
    found = [re.search(r"(\d+)$", file.stem) for file in files]
    numbers = tuple(int(match[1]) for match in found if match)
    increase = all(a < b for a, b in pairwise(numbers))
    return numbers if len(numbers) == len(files) and increase else ()


def _folders(source: Path) -> Iterator[Clip]:
    for folder in (source, *(path for path in source.rglob("*") if path.is_dir())):
        files = [file for file in images_in(folder) if file.suffix.lower() != ".gif"]
        if files:
            name = source.name if folder == source else folder.relative_to(source).as_posix()
            yield Clip(name=name, files=tuple(files), numbers=numbers_of(files))
