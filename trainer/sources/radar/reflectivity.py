"""Rain rate from reflectivity: Z = a R^b."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Relation(NamedTuple):
    """Z = a R^b, with Z in mm^6/m^3 and R in mm/h."""

    a: float
    b: float


MARSHALL_PALMER = Relation(200.0, 1.6)
"""What ODIM, KNMI and files that say nothing else take (Marshall, Langille and Palmer 1947)."""
FINLAND = Relation(223.0, 1.53)
SWITZERLAND = Relation(316.0, 1.5)


def rain_of(decibels: NDArray[Any], relation: Relation) -> NDArray[np.float64]:
    """
    Return rain rates, mm/h.

    Parameters
    ----------
    decibels : dBZ = 10 log10 Z, any shape; NaN stays NaN, -inf is no rain
    """
    rain: NDArray[np.float64] = (10 ** (decibels.astype(np.float64) / 10) / relation.a) ** (1 / relation.b)
    return rain
