"""Videos as grey levels, decoded by FFmpeg frame after frame."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError, MissingExtraError
from trainer.sources.images import said

ADVICE = "give a video, a folder of images or a .npy"
WHOLE: Final = 0.99
"""Share of the frames that a file says it has, from which on it is not cut off: some programs count wrong by a few."""


class OpenVideo(NamedTuple):
    """
    A video that is open.

    cadence : s between two frames; None where the file does not say
    frames : FFmpeg's, one after the other
    """

    cadence: float | None
    frames: Iterator[Any]


@contextmanager
def open_video(path: Path) -> Iterator[OpenVideo]:
    """
    Open a video and decode it on the way; what lies behind damage is never reached.

    Raises
    ------
    InputError
        it is no video, has no pictures, or is damaged or cut off: then the message says after which frame.
    MissingExtraError
        PyAV is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError(
            f"{path} needs PyAV, which is not installed; pip install 'stmoe-synth[real]', or give images or a .npy"
        ) from None
    count = 0

    def counted(container: Any) -> Iterator[Any]:
        """Yield frames and count them; raise InputError where the file ends too early."""
        nonlocal count
        for frame in container.decode(video=0):
            yield frame
            count += 1
        promised = container.streams.video[0].frames  # 0 where the file does not say
        if count < WHOLE * promised:
            raise InputError(f"{path} ends after {count} of {promised} frames; get it again")

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise InputError(f"{path} has no pictures; {ADVICE}")
            stream = container.streams.video[0]
            rate = stream.average_rate
            yield OpenVideo(float(1 / rate) if rate else None, counted(container))
    except av.FFmpegError as error:
        where = f" after frame {count}" if count else ""
        raise InputError(f"{path} cannot be read as a video{where}: {said(error)}; {ADVICE}") from error


def grey(frame: Any) -> NDArray[Any]:
    """Return a frame of FFmpeg's as (y, x) grey levels, uint8, or uint16 where it has more than 8 bits."""
    name = frame.format.name
    if _PLANAR.fullmatch(name) and name.startswith("yuvj") == (frame.color_range == _FULL):
        return _luma(frame)
    deep = any(component.bits > 8 for component in frame.format.components)
    return np.asarray(frame.to_ndarray(format="gray16le" if deep else "gray"))


_PLANAR = re.compile(r"yuvj?4[0-4]{2}p")
"""Names of formats of 8 bits whose first plane is brightness: from 0 to 255 with a j, else from 16 to 235."""
_FULL: Final = 2
"""FFmpeg's number for the range from 0 to 255."""
_STRETCHED: Final = np.clip(np.rint((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def _luma(frame: Any) -> NDArray[np.uint8]:
    """Return what FFmpeg's own conversion to grey gives, to the level, in a fifth of its time."""
    plane = frame.planes[0]
    levels = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    return levels.copy() if frame.format.name.startswith("yuvj") else np.take(_STRETCHED, levels)
