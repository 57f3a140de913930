"""Frames of any stored type as 256 grey levels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FULL_SCALE = 255


def grey_levels(frames: NDArray[Any]) -> NDArray[np.uint8]:
    """
    Return frames as grey levels.

    Parameters
    ----------
    frames : any shape, uint8, or float with full scale 1; NaN is black

    Returns
    -------
    the same shape, uint8
    """
    if frames.dtype == np.uint8:
        return frames
    return np.rint(np.clip(np.nan_to_num(frames.astype(np.float32)), 0, 1) * _FULL_SCALE).astype(np.uint8)
