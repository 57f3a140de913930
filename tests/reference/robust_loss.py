"""Barron's general loss as it is defined, and its derivative, in extended precision to spare for the cancellation."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def robust_loss(x: ArrayLike, alpha: float, c: float) -> NDArray[np.float64]:
    """Return rho(x, alpha, c) of models.md 4.1."""
    z = (np.asarray(x, np.longdouble) / np.longdouble(c)) ** 2
    if alpha == 2:
        rho = z / 2
    elif alpha == 0:
        rho = np.log(z / 2 + 1)
    elif alpha == -math.inf:
        rho = 1 - np.exp(-z / 2)
    else:
        shape = np.longdouble(alpha)
        b = abs(shape - 2)
        rho = b / shape * ((z / b + 1) ** (shape / 2) - 1)
    return np.asarray(rho, np.float64)


def slope(x: ArrayLike, alpha: float, c: float) -> NDArray[np.float64]:
    """Return d rho / dx."""
    x = np.asarray(x, np.longdouble)
    z = (x / np.longdouble(c)) ** 2
    if alpha == 2:
        factor = np.ones_like(z)
    elif alpha == 0:
        factor = 2 / (z + 2)
    elif alpha == -math.inf:
        factor = np.exp(-z / 2)
    else:
        shape = np.longdouble(alpha)
        factor = (z / abs(shape - 2) + 1) ** (shape / 2 - 1)
    return np.asarray(x / np.longdouble(c) ** 2 * factor, np.float64)
