"""Rain rates as frames of a store."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.rain import LinearScaling, Scaling


def as_stored(rain: NDArray[Any], scaling: Scaling) -> NDArray[np.float32]:
    """
    Return the frames that `scaling.rain_rate` undoes, but for rain below the lowest reflectivity, which is none.

    Parameters
    ----------
    rain : any shape, mm/h; NaN stays NaN
    """
    if isinstance(scaling, LinearScaling):
        return (rain / np.float32(scaling.full_scale)).astype(np.float32)
    with np.errstate(divide="ignore"):
        decibels = 10 * math.log10(scaling.a) + 10 * scaling.b * np.log10(rain)
    values = (decibels - scaling.lowest) / scaling.range
    return np.where(values < 0, 0, values).astype(np.float32)
