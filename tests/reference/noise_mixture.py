"""
The noise of a sequence before it is scaled to the ratio, in NumPy and SciPy from its definition (rendering.md).

Random words are those of the format: pixel p of frame f takes word p // blocks of block f blocks + p % blocks, where
blocks is a quarter of a frame's pixels, rounded up. A word's highest bit is the sign of the normal, and its 31 others
are the probability of the tail; as a signed number it is the white noise. Perlin's permutation is a Fisher-Yates
shuffle by the draws 255, 254, ..., 1, its offset into the lattice are the draws 256, 257, 258.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from tests.reference.perlin import fractal_noise
from tests.reference.philox import block, uniform

GAUSSIAN, WHITE, PERLIN = 5, 6, 7
"""Purposes of the format."""

Field = NDArray[np.float64]
Shape = tuple[int, int, int]


def words(seed: int, index: int, purpose: int, shape: Shape) -> NDArray[np.int64]:
    """Return the random words of every pixel, (time, y, x), below 2**32."""
    frames, height, width = shape
    blocks = math.ceil(height * width / 4)
    stream = [block(seed, index, purpose, number) for number in range(frames * blocks)]
    ordered = np.array(stream, np.int64).reshape(frames, blocks, 4).transpose(0, 2, 1)  # (frame, word, block)
    return ordered.reshape(frames, -1)[:, : height * width].reshape(shape)


def gaussian_field(seed: int, index: int, shape: Shape) -> Field:
    """Return independent N(0, 1)."""
    drawn = words(seed, index, GAUSSIAN, shape)
    tail = ndtri((drawn % 2**31 + 0.5) / 2**32)  # <= 0
    return np.asarray(np.where(drawn < 2**31, tail, -tail), np.float64)


def white_field(seed: int, index: int, shape: Shape) -> Field:
    """Return independent uniforms on (-1, 1)."""
    drawn = words(seed, index, WHITE, shape)
    signed = np.where(drawn < 2**31, drawn, drawn - 2**32)
    return (signed + 0.5) / 2**31


def lattice(seed: int, index: int) -> tuple[list[int], list[float]]:
    """Return the permutation and the offset (x, y, t) of a sequence."""
    permutation = list(range(256))
    for i in range(255, 0, -1):
        j = math.floor(uniform(seed, index, PERLIN, 0, i) * (i + 1))
        permutation[i], permutation[j] = permutation[j], permutation[i]
    return permutation, [256 * uniform(seed, index, PERLIN, 0, 256 + axis) for axis in range(3)]


def perlin_field(
    seed: int,
    index: int,
    shape: Shape,
    *,
    octaves: int = 4,
    cell: float = 0.25,
    cell_frames: float = 8.0,
    drift: tuple[float, float] = (0.0, 0.0),
) -> Field:
    """Return gradient noise at the pixel centres; cell and drift (per frame) are fractions of the shorter side."""
    frames, height, width = shape
    permutation, offset = lattice(seed, index)
    side = min(height, width)
    t, y, x = np.meshgrid(np.arange(frames), np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
    return fractal_noise(
        permutation,
        (x / side - drift[0] * t) / cell + offset[0],
        (y / side - drift[1] * t) / cell + offset[1],
        t / cell_frames + offset[2],
        octaves,
    )
