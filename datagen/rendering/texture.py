"""The sine texture, attached to the object: it moves and turns with it."""

import math

import numpy as np
from numba import njit

from datagen.rendering.parameters import CONTRAST, INTENSITY, PHASE, TEXTURE_DIRECTION, WAVELENGTH

_ONE, _HALF = np.float32(1), np.float32(0.5)
_SINE = tuple(np.float32((-1) ** k * (2 * math.pi) ** (2 * k + 1) / math.factorial(2 * k + 1)) for k in range(6))
"""Taylor coefficients of sin(2 pi x); on |x| <= 1/4 the remainder is below 1e-7 of full scale."""


@njit(nogil=True, cache=True)
def shade_row(row, u, v, step_u, step_v, coverage, value):
    """
    Shade one row of pixels: intensity * (1 - contrast * (1 - sin) / 2) * coverage.

    Parameters
    ----------
    row : parameter row of the object
    u, v : object coordinates of the first pixel, px
    step_u, step_v : their change from pixel to pixel
    coverage : (x,) float32 in 0..1
    value : (x,) float32, written: intensity times coverage
    """
    intensity = np.float32(row[INTENSITY])
    depth = np.float32(row[CONTRAST]) * _HALF
    if depth == np.float32(0):
        for i in range(coverage.size):
            value[i] = intensity * coverage[i]
        return
    wave_x = row[TEXTURE_DIRECTION] / row[WAVELENGTH]
    wave_y = row[TEXTURE_DIRECTION + 1] / row[WAVELENGTH]
    phase = u * wave_x + v * wave_y + row[PHASE]
    start = np.float32(phase - math.floor(phase))
    step = np.float32(step_u * wave_x + step_v * wave_y)
    for i in range(coverage.size):
        wave = sine_of_turns(start + step * np.float32(i))
        value[i] = intensity * (_ONE - depth * (_ONE - wave)) * coverage[i]


@njit(inline="always")
def sine_of_turns(x):
    """Return sin(2 pi x) for float32 x: arithmetic alone, so that LLVM vectorises it."""
    x = x - np.floor(x + _HALF)
    x = max(min(x, _HALF - x), -_HALF - x)  # folded to -1/4..1/4, where the sine is the same
    square = x * x
    return x * (
        _SINE[0]
        + square * (_SINE[1] + square * (_SINE[2] + square * (_SINE[3] + square * (_SINE[4] + square * _SINE[5]))))
    )
