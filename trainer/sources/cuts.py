"""Hard cuts: where a video goes on with another scene."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LEAST: Final = 0.08
"""Mean absolute change, of full scale, below which nothing is a cut."""
TIMES: Final = 4.0
"""How much more than before and after it a cut changes."""


class CutFinder:
    """
    Find the frames that begin another scene: there the picture changes much more than before and after.

    What moves fast or flickers changes much in every frame, so the least change is no sign by itself; a cut is a peak
    of one frame.

    Parameters
    ----------
    full_scale : of the frames
    """

    def __init__(self, full_scale: float) -> None:
        self._full_scale = full_scale
        self._last: NDArray[Any] | None = None
        self._changes: list[float] = []

    def add(self, frame: NDArray[Any]) -> None:
        """Look at the next frame, (y, x)."""
        now = frame.astype(np.float32)
        if self._last is not None:
            self._changes.append(float(np.abs(now - self._last).mean()) / self._full_scale)
        self._last = now

    def cuts(self) -> list[int]:
        """Return the frames that begin a scene, counted from 0; the first of all is none."""
        changes = np.array([0.0, *self._changes, 0.0])
        before, after = changes[:-2], changes[2:]
        peaks = (changes[1:-1] >= LEAST) & (changes[1:-1] >= TIMES * np.maximum(before, after))
        return [int(place) + 1 for place in np.flatnonzero(peaks)]
