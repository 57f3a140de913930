"""KITTI (Geiger et al., IJRR 2013): drives of a car with four cameras, raw or as the odometry benchmark has them."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from schemas.errors import InputError
from trainer.sources.clips import Clip
from trainer.sources.footage import contents, numbers_of
from trainer.sources.images import images_in, natural

DRIVES: Final = {
    "00": "2011_10_03_drive_0027",
    "01": "2011_10_03_drive_0042",
    "02": "2011_10_03_drive_0034",
    "03": "2011_09_26_drive_0067",
    "04": "2011_09_30_drive_0016",
    "05": "2011_09_30_drive_0018",
    "06": "2011_09_30_drive_0020",
    "07": "2011_09_30_drive_0027",
    "08": "2011_09_30_drive_0028",
    "09": "2011_09_30_drive_0033",
    "10": "2011_09_30_drive_0034",
}
"""Raw drives that sequences of the odometry benchmark were taken from, by its development kit."""
_RAW = re.compile(r"(\d{4}_\d\d_\d\d_drive_\d{4})(_sync|_extract)?")
_ODOMETRY = re.compile(r"\d\d")
_CAMERA = re.compile(r"image_0?[0-3]")


def survey(source: Path) -> list[Clip]:
    """
    Return the cameras of all drives below a folder; what the cameras of a drive saw is one source.

    Pictures are numbered, and have the time stamps that lie beside them: timestamps.txt of raw drives, whose times are
    taken as UTC, and times.txt of the odometry benchmark, which counts from the first picture.

    Raises
    ------
    InputError
        there is none, a name is no number, or time stamps lack or are out of order.
    """
    clips = [_clip(folder, source) for folder in _cameras(source)]
    if not clips:
        raise InputError(
            f"{source} holds {contents(source)}; give the folder with KITTI's drives, e.g. "
            "2011_09_26/2011_09_26_drive_0039_sync/image_00/data or sequences/06/image_0"
        )
    return sorted(clips, key=lambda clip: natural(Path(clip.name)))


def _cameras(source: Path) -> list[Path]:
    folders = (source, *source.rglob("*")) if source.is_dir() else ()
    cameras = [folder for folder in folders if folder.is_dir() and _CAMERA.fullmatch(folder.name)]
    pictured = (folder / "data" if (folder / "data").is_dir() else folder for folder in cameras)
    return [folder for folder in pictured if images_in(folder)]


def _clip(folder: Path, source: Path) -> Clip:
    files = images_in(folder)
    numbers = numbers_of(files)
    if not numbers:
        raise InputError(
            f"{folder} has images whose names are no numbers that increase; give KITTI's, e.g. 0000000021.png"
        )
    stamps, epoch = _stamps(folder, numbers)
    return Clip(
        name=folder.relative_to(source).as_posix() if folder != source else folder.name,
        source=_drive(folder),
        files=tuple(files),
        numbers=numbers,
        stamps=stamps,
        epoch=epoch,
    )


def _drive(folder: Path) -> str:
    """Return the raw drive that a folder is of, whichever camera and form; the folder above where none is named."""
    for part in reversed(folder.resolve().parts):
        if match := _RAW.fullmatch(part):
            return match[1]
    above = folder.resolve().parent.name
    return DRIVES.get(above, f"odometry {above}") if _ODOMETRY.fullmatch(above) else above


def _stamps(folder: Path, numbers: tuple[int, ...]) -> tuple[tuple[float, ...], float | None]:
    """Return the time stamps of pictures by their numbers, s, and the epoch of their zero; none without a list."""
    raw, odometry = folder.parent / "timestamps.txt", folder.parent / "times.txt"
    if raw.is_file():
        return _chosen(raw, [_moment(raw, line) for line in raw.read_text().splitlines() if line.strip()], numbers), 0.0
    if odometry.is_file():
        return _chosen(odometry, [_number(odometry, line) for line in odometry.read_text().split()], numbers), None
    return (), None


def _chosen(file: Path, times: list[float], numbers: tuple[int, ...]) -> tuple[float, ...]:
    if numbers[-1] >= len(times):
        raise InputError(f"{file} has {len(times)} time stamps, there is a picture {numbers[-1]}; get it again")
    for line, (a, b) in enumerate(pairwise(times), start=2):
        if b <= a:
            raise InputError(
                f"{file}: time stamps are out of order, line {line} is not after the one before; get it again"
            )
    return tuple(times[number] for number in numbers)


def _moment(file: Path, line: str) -> float:
    """Return s since 1970 of a line such as 2011-09-26 14:05:35.500923136."""
    day, _, fraction = line.strip().partition(".")
    try:
        return datetime.strptime(day, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp() + float(f"0.{fraction or 0}")
    except ValueError:
        raise InputError(f"{file} holds {line.strip()!r}; its lines are times, e.g. 2011-09-26 14:05:35.500") from None


def _number(file: Path, line: str) -> float:
    try:
        return float(line)
    except ValueError:
        raise InputError(f"{file} holds {line!r}; its lines are seconds, e.g. 1.036224e-01") from None
