"""The newest frames of a video, an image folder or an array: what a forecast starts from."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.rain import Scaling
from trainer.sources.images import IMAGE_SUFFIXES, images_in, read_image, said
from trainer.sources.resize import FULL_SCALE, area_averaged
from trainer.sources.video import ADVICE, grey, open_video

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class NewestFrames:
    """Sequences of which the newest frames are read as they are needed."""

    name: str
    n: int
    """Sequences."""
    shape: tuple[int, int, int]
    """(time, y, x) of what is read of each."""
    read: Callable[[int, int], Array]
    """(start, stop) to sequences start .. stop - 1, (sequence, time, y, x), full scale 1."""
    scaling: Scaling | None = None
    """Of rain; None for pictures."""


def open_frames(path: Path, last: int, size: tuple[int, int] | None = None) -> NewestFrames:
    """
    Open the last frames of a file or folder; no more than those asked for are held in memory.

    A folder is one sequence of the images in it, in natural order (2 before 10). A .npy is one sequence (time, y, x),
    or many (sequence, time, y, x). Any other file is taken for a video. Colours become grey levels. Full scale is 255
    for 8-bit frames, 65,535 for 16-bit ones, and 1 for floats.

    Parameters
    ----------
    path : local
    last : newest frames to read of every sequence, >= 1
    size : (y, x) px to resize to, each px the mean of the area that it covers; None for frames as they are

    Raises
    ------
    InputError
        it is missing or unreadable, has too few frames or frames of several sizes, or values outside [0, 1].
    MissingExtraError
        it is a video and PyAV is not installed.
    """
    if path.is_dir():
        return _held(path, _resized(_read_folder(path, last), size))
    if not path.exists():
        raise InputError(f"{path} does not exist; give a store, a video, a folder of images or a .npy")
    if path.suffix.lower() == ".npy":
        return _open_array(path, last, size)
    return _held(path, _resized(_read_video(path, last), size))


def _held(path: Path, frames: Array) -> NewestFrames:
    """Return one sequence (time, y, x) that is in memory."""
    return NewestFrames(name=str(path), n=1, shape=frames.shape, read=lambda start, stop: frames[None][start:stop])


def _resized(frames: Array, size: tuple[int, int] | None) -> Array:
    return frames if size is None or size == frames.shape[-2:] else area_averaged(frames, size)


def _require_frames(path: Path, found: int, last: int) -> None:
    if found < last:
        frames = "1 frame" if found == 1 else f"{found} frames"
        raise InputError(f"{path} has {frames}, a forecast starts from {last}; give {last} or more")


def _stacked(path: Path, frames: Iterable[NDArray[Any]]) -> Array:
    """Return frames as fractions of full scale, (time, y, x)."""
    found = [_fractions(path, frame) for frame in frames]
    sizes = {frame.shape: None for frame in found}
    if len(sizes) > 1:
        (a, b), (c, d) = list(sizes)[:2]
        raise InputError(f"{path} has frames of {a}x{b} and of {c}x{d} px; give frames of one size")
    return np.stack(found)


def _fractions(path: Path, values: NDArray[Any]) -> Array:
    if full := FULL_SCALE.get(values.dtype.name):
        return (values / np.float32(full)).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # neither holds for NaN
        what = "is not a number somewhere" if np.isnan(values).any() else f"has values from {low:g} to {high:g}"
        raise InputError(f"{path} {what}; give floats in [0, 1], 1 is full scale, or 8- or 16-bit integers")
    return values.astype(np.float32)


def _open_array(path: Path, last: int, size: tuple[int, int] | None) -> NewestFrames:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no .npy that can be read: {said(error)}; write one with numpy.save") from error
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise InputError(f"{path} has the shape {array.shape}; give (time, y, x) or (sequence, time, y, x)")
    if array.dtype.name not in FULL_SCALE and array.dtype.kind != "f":
        raise InputError(f"{path} holds {array.dtype.name}; give uint8, uint16, or floats in [0, 1]")
    sequences = array if array.ndim == 4 else array[None]
    _require_frames(path, sequences.shape[1], last)

    def read(start: int, stop: int) -> Array:
        return _resized(_fractions(path, sequences[start:stop, -last:]), size)

    height, width = size or sequences.shape[2:]
    return NewestFrames(name=str(path), n=len(sequences), shape=(last, height, width), read=read)


def _read_folder(path: Path, last: int) -> Array:
    files = images_in(path)
    if not files:
        raise InputError(f"{path} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}) and is no store; {ADVICE}")
    _require_frames(path, len(files), last)
    return _stacked(path, map(read_image, files[-last:]))


def _read_video(path: Path, last: int) -> Array:
    newest: deque[Any] = deque(maxlen=last)
    count = 0
    with open_video(path) as video:
        for frame in video.frames:
            newest.append(frame)
            count += 1
        _require_frames(path, count, last)
        return _stacked(path, (grey(frame) for frame in newest))
