"""
Counter-based random numbers: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).

A draw is a function of (seed, sequence index, purpose, block): the seed is the key, and the counter is
(block, purpose, index low, index high). Nothing is kept between draws, so their order does not matter, and a new
purpose moves no existing bit.
"""

import math

import numpy as np
from numba import njit

SHAPE, MOTION, TEXTURE, GROWTH, GAUSSIAN, WHITE, PERLIN = range(1, 8)
"""Purposes. Part of the format: never renumber."""

_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_BUMP = (np.uint64(0), np.uint64(2), np.uint64(4), np.uint64(6), np.uint64(8))
_1 = np.uint64(1)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_21 = np.uint64(21)
_11 = np.uint64(11)
_UNIT = 2.0**-53
_OBJECT_BLOCKS = 2**16
"""Blocks reserved for each object of a sequence."""


@njit(inline="always")
def _two_rounds(c0, c1, c2, c3, k0, k1, first):
    """Apply rounds `first` and `first` + 1, whose keys are k + round * W."""
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, (k0 + first * _W0) & _LOW, (k1 + first * _W1) & _LOW)
    first += _1
    return _round(c0, c1, c2, c3, (k0 + first * _W0) & _LOW, (k1 + first * _W1) & _LOW)


@njit(inline="always")
def _round(c0, c1, c2, c3, k0, k1):
    p0 = _M0 * c0
    p1 = _M1 * c2
    return (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW


@njit(inline="always")
def philox(c0, c1, c2, c3, k0, k1):
    """
    Encrypt one counter.

    Parameters
    ----------
    c0, c1, c2, c3, k0, k1 : uint64 below 2**32, counter and key words

    Returns
    -------
    four uint64 below 2**32, uniform and independent
    """
    # Written out: LLVM does not unroll this loop before it vectorises, and then a word costs 3.7 ns instead of 0.4.
    c0, c1, c2, c3 = _two_rounds(c0, c1, c2, c3, k0, k1, _BUMP[0])
    c0, c1, c2, c3 = _two_rounds(c0, c1, c2, c3, k0, k1, _BUMP[1])
    c0, c1, c2, c3 = _two_rounds(c0, c1, c2, c3, k0, k1, _BUMP[2])
    c0, c1, c2, c3 = _two_rounds(c0, c1, c2, c3, k0, k1, _BUMP[3])
    return _two_rounds(c0, c1, c2, c3, k0, k1, _BUMP[4])


@njit(nogil=True, cache=True)
def uniform(seed, index, purpose, item, draw):
    """
    Draw one double uniform on [0, 1), a multiple of 2**-53: exact on every machine.

    Parameters
    ----------
    seed, index : uint64, of the spec and of the sequence
    purpose : one of this module's purposes
    item : object number, 0 for draws of the whole sequence
    draw : number of the draw, below 2**16
    """
    w0, w1, _, _ = philox(
        np.uint64(item * _OBJECT_BLOCKS + draw),
        np.uint64(purpose),
        index & _LOW,
        index >> _32,
        seed & _LOW,
        seed >> _32,
    )
    return float((w0 << _21) | (w1 >> _11)) * _UNIT


@njit(nogil=True, cache=True)
def between(bounds, u):
    """Map u in [0, 1) to [low, high), or to low where the range is empty."""
    return bounds[0] + (bounds[1] - bounds[0]) * u


@njit(nogil=True, cache=True)
def whole_between(bounds, u):
    """Map u in [0, 1) to the whole numbers low..high, each as likely."""
    return bounds[0] + np.int64(math.floor(u * (bounds[1] - bounds[0] + 1)))


@njit(nogil=True, cache=True)
def direction(seed, index, purpose, item, draw):
    """
    Draw a unit vector, uniform in direction, by rejection (cos and sin are not exact on every machine).

    Uses the draws `draw`, `draw` + 1, ... until a point falls into the ring 0.1 <= radius <= 1 of the square.
    """
    while True:
        x = 2.0 * uniform(seed, index, purpose, item, draw) - 1.0
        y = 2.0 * uniform(seed, index, purpose, item, draw + 1) - 1.0
        square = x * x + y * y
        if 0.01 <= square <= 1.0:
            norm = math.sqrt(square)
            return x / norm, y / norm
        draw += 2
