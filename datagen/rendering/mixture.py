"""The noise of a sequence: Gaussian, white and Perlin fields, mixed by weight, and scaled to the noise ratio."""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from datagen.rendering.bits import bits_of
from datagen.rendering.counter_rng import GAUSSIAN, PERLIN, WHITE, philox, uniform
from datagen.rendering.gradient_noise import add_gradient_noise

MEAN_GAUSSIAN = math.sqrt(2 / math.pi)
MEAN_WHITE = 0.5
MEAN_PERLIN = (0.22033, 0.16290, 0.14293, 0.13416, 0.13001, 0.12799, 0.12700, 0.12650)
"""
Mean |.| of gradient noise with 1..8 octaves, over uniform positions and permutations; relative standard error 1.2e-4,
from the stratified sample of 66 million points that `python -m tests.reference.perlin_mean` takes.
"""

_LATTICE_PERIOD = 256.0
_LOW, _32 = np.uint64(0xFFFFFFFF), np.uint64(32)

_SEGMENT_BITS = 6
_SHIFT = np.uint32(23 - _SEGMENT_BITS)
_REST = np.uint32((1 << (23 - _SEGMENT_BITS)) - 1)
_REST_SCALE = np.float32(2.0 ** -(23 - _SEGMENT_BITS))
_FIRST_EXPONENT, _LAST_EXPONENT = 127 - 33, 127 - 1
_FIRST_SEGMENT = np.uint32(_FIRST_EXPONENT << _SEGMENT_BITS)
_MAGNITUDE = np.uint32(0x7FFFFFFF)
_HALF, _WORD = np.float32(0.5), np.float32(2.0**-32)
_WHITE_SCALE = np.float32(2.0**-31)
_ZERO, _ONE = np.float32(0), np.float32(1)


def _normal_quantiles() -> NDArray[np.float32]:
    """Tabulate the normal quantile on 64 segments per power of two of the probability, from 2**-33 to 1/2."""
    count = (_LAST_EXPONENT - _FIRST_EXPONENT) << _SEGMENT_BITS
    edges = ((np.arange(count + 1) + int(_FIRST_SEGMENT)) << int(_SHIFT)).astype(np.uint32).view(np.float32)
    quantiles = [NormalDist().inv_cdf(float(edge)) for edge in edges]
    return np.array([*quantiles, 0.0], np.float32)


_QUANTILES = _normal_quantiles()
"""Linear between entries: the distribution's largest error is below 1e-5, the tails reach 6.3 sigma."""


class NoisePlan(NamedTuple):
    """The noise of a spec as kernels take it."""

    ratio: float
    gaussian: float
    """Weight over the field's mean |.|, likewise below."""
    white: float
    perlin: float
    octaves: int
    cells_per_pixel: float
    cells_per_frame: float
    drift: tuple[float, float]
    """Lattice cells per frame."""


def mixture_weights(gaussian: float, white: float, perlin: float, octaves: int) -> tuple[float, float, float]:
    """Return the factors that bring each field to mean |.| = its weight."""
    return gaussian / MEAN_GAUSSIAN, white / MEAN_WHITE, perlin / MEAN_PERLIN[octaves - 1]


@njit(nogil=True, cache=True)
def fill_noise(plan, seed, index, noise, words):
    """
    Fill the noise of one sequence, before it is scaled to the ratio.

    Parameters
    ----------
    plan : NoisePlan
    seed, index : uint64, of the spec and of the sequence
    noise : (time, y, x) float32, written
    words : (2, 4, blocks) uint32 scratch, blocks = a quarter of a frame's pixels, rounded up

    Returns
    -------
    the sum of |noise|
    """
    permutation = np.empty(512, np.uint8)
    offset = np.zeros(3)
    if plan.perlin > 0.0:
        _draw_lattice(seed, index, permutation, offset)
    total = 0.0
    for frame in range(noise.shape[0]):
        _fill_pixel_noise(plan, seed, index, frame, noise[frame].reshape(-1), words)
        if plan.perlin > 0.0:
            x = (np.arange(noise.shape[2]) + 0.5) * plan.cells_per_pixel + (offset[0] - frame * plan.drift[0])
            y = (np.arange(noise.shape[1]) + 0.5) * plan.cells_per_pixel + (offset[1] - frame * plan.drift[1])
            t = offset[2] + frame * plan.cells_per_frame
            add_gradient_noise(permutation, x, y, t, plan.octaves, plan.perlin, noise[frame])
        total += sum_of_magnitudes(noise[frame])
    return total


@njit(nogil=True, cache=True)
def sum_of_magnitudes(frame):
    """Return sum |frame| of a (y, x) float32 frame, by columns: sums that LLVM vectorises in a fixed order."""
    columns = np.zeros(frame.shape[1], np.float32)
    for y in range(frame.shape[0]):
        row = frame[y]
        for x in range(row.size):
            columns[x] += abs(row[x])
    total = 0.0
    for x in range(columns.size):
        total += columns[x]
    return total


@njit(nogil=True, cache=True)
def _draw_lattice(seed, index, permutation, offset):
    """Shuffle a permutation table of the sequence's own (Fisher-Yates) and draw where its frames lie in the lattice."""
    for i in range(256):
        permutation[i] = i
    for i in range(255, 0, -1):
        j = int(uniform(seed, index, PERLIN, 0, i) * (i + 1))
        permutation[i], permutation[j] = permutation[j], permutation[i]
    permutation[256:] = permutation[:256]
    for axis in range(3):
        offset[axis] = _LATTICE_PERIOD * uniform(seed, index, PERLIN, 0, 256 + axis)


@njit(nogil=True, cache=True)
def _fill_pixel_noise(plan, seed, index, frame, pixels, words):
    """Fill a frame with Gaussian plus white noise; pixel p takes word p // blocks of block p % blocks."""
    blocks = words.shape[2]
    first = np.uint64(frame) * np.uint64(blocks)
    if plan.gaussian > 0.0:
        _fill_words(seed, index, np.uint64(GAUSSIAN), first, words[0])
        _fill_normal(words[0].reshape(-1), np.float32(plan.gaussian), _QUANTILES, pixels)
    else:
        pixels[:] = _ZERO
    if plan.white > 0.0:
        _fill_words(seed, index, np.uint64(WHITE), first, words[1])
        _add_white(words[1].reshape(-1), np.float32(plan.white), pixels)


@njit(nogil=True, cache=True)
def _fill_words(seed, index, purpose, first, words):
    k0, k1 = seed & _LOW, seed >> _32
    low, high = index & _LOW, index >> _32
    for i in range(words.shape[1]):
        w0, w1, w2, w3 = philox(first + np.uint64(i), purpose, low, high, k0, k1)
        words[0, i] = np.uint32(w0)
        words[1, i] = np.uint32(w1)
        words[2, i] = np.uint32(w2)
        words[3, i] = np.uint32(w3)


@njit(nogil=True, cache=True)
def _fill_normal(words, scale, quantiles, pixels):
    """Invert the normal distribution: 31 bits for the probability of the tail, one for the sign."""
    for i in range(pixels.size):
        word = words[i]
        bits = bits_of((np.float32(np.int32(word & _MAGNITUDE)) + _HALF) * _WORD)
        segment = (bits >> _SHIFT) - _FIRST_SEGMENT
        low, high = quantiles[segment], quantiles[segment + np.uint32(1)]
        value = scale * (low + np.float32(np.int32(bits & _REST)) * _REST_SCALE * (high - low))
        pixels[i] = value if np.int32(word) >= 0 else -value


@njit(nogil=True, cache=True)
def _add_white(words, scale, pixels):
    factor = scale * _WHITE_SCALE
    for i in range(pixels.size):
        pixels[i] += factor * (np.float32(np.int32(words[i])) + _HALF)
