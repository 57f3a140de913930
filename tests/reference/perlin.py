"""
Gradient noise in NumPy, from its definition (Perlin, "Improving noise", SIGGRAPH 2002), for any permutation table.

Each corner of the lattice cell around a point hashes to a gradient; its product with the vector from the corner to
the point is blended along x, y and t by the fade 6 s^5 - 15 s^4 + 10 s^3. Everything is float64, one point at a time.
"""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]

# fmt: off
PERLINS_PERMUTATION = (
    151, 160, 137, 91, 90, 15, 131, 13, 201, 95, 96, 53, 194, 233, 7, 225, 140, 36, 103, 30, 69, 142, 8, 99, 37,
    240, 21, 10, 23, 190, 6, 148, 247, 120, 234, 75, 0, 26, 197, 62, 94, 252, 219, 203, 117, 35, 11, 32, 57, 177,
    33, 88, 237, 149, 56, 87, 174, 20, 125, 136, 171, 168, 68, 175, 74, 165, 71, 134, 139, 48, 27, 166, 77, 146,
    158, 231, 83, 111, 229, 122, 60, 211, 133, 230, 220, 105, 92, 41, 55, 46, 245, 40, 244, 102, 143, 54, 65, 25,
    63, 161, 1, 216, 80, 73, 209, 76, 132, 187, 208, 89, 18, 169, 200, 196, 135, 130, 116, 188, 159, 86, 164, 100,
    109, 198, 173, 186, 3, 64, 52, 217, 226, 250, 124, 123, 5, 202, 38, 147, 118, 126, 255, 82, 85, 212, 207, 206,
    59, 227, 47, 16, 58, 17, 182, 189, 28, 42, 223, 183, 170, 213, 119, 248, 152, 2, 44, 154, 163, 70, 221, 153,
    101, 155, 167, 43, 172, 9, 129, 22, 39, 253, 19, 98, 108, 110, 79, 113, 224, 232, 178, 185, 112, 104, 218, 246,
    97, 228, 251, 34, 242, 193, 238, 210, 144, 12, 191, 179, 162, 241, 81, 51, 145, 235, 249, 14, 239, 107, 49, 192,
    214, 31, 181, 199, 106, 157, 184, 84, 204, 176, 115, 121, 50, 45, 127, 4, 150, 254, 138, 236, 205, 93, 222, 114,
    67, 29, 24, 72, 243, 141, 128, 195, 78, 66, 215, 61, 156, 180,
)
# fmt: on
"""The table published with the paper; the package `noise` has compiled it in."""

GRADIENTS = np.array(
    [
        *((1, 1, 0), (-1, 1, 0), (1, -1, 0), (-1, -1, 0)),
        *((1, 0, 1), (-1, 0, 1), (1, 0, -1), (-1, 0, -1)),
        *((0, 1, 1), (0, -1, 1), (0, 1, -1), (0, -1, -1)),
        *((1, 0, -1), (-1, 0, -1), (0, -1, 1), (0, 1, 1)),
    ],
    np.float64,
)
"""The twelve edges of a cube in Perlin's order, then the four that `noise` repeats (he repeats four others)."""


def fade(s: Values) -> Values:
    """Return 6 s^5 - 15 s^4 + 10 s^3, whose first and second derivatives vanish at 0 and 1."""
    return 6 * s**5 - 15 * s**4 + 10 * s**3


def gradient_noise(permutation: ArrayLike, x: ArrayLike, y: ArrayLike, t: ArrayLike) -> Values:
    """
    Evaluate one octave.

    Parameters
    ----------
    permutation : (256,), of 0..255
    x, y, t : lattice coordinates, any real numbers, broadcast against each other
    """
    table = np.asarray(permutation, np.int64)
    point = np.stack(np.broadcast_arrays(*(np.asarray(q, np.float64) for q in (x, y, t))))
    cell = np.floor(point)
    fraction = point - cell
    blend = fade(fraction)
    value = np.zeros(point.shape[1:])
    for corner in product((0, 1), repeat=3):
        i, j, k = ((axis.astype(np.int64) + step) % 256 for axis, step in zip(cell, corner, strict=True))
        gradient = GRADIENTS[table[(table[(table[i] + j) % 256] + k) % 256] % 16]
        share = np.ones(point.shape[1:])
        height = np.zeros(point.shape[1:])
        for axis, step in enumerate(corner):
            share *= blend[axis] if step else 1 - blend[axis]
            height += gradient[..., axis] * (fraction[axis] - step)
        value += share * height
    return value


def fractal_noise(permutation: ArrayLike, x: ArrayLike, y: ArrayLike, t: ArrayLike, octaves: int) -> Values:
    """Sum octaves of frequency 1, 2, 4, ... and amplitude 1, 1/2, 1/4, ..., over the sum of the amplitudes."""
    point = [np.asarray(q, np.float64) for q in (x, y, t)]
    octave = [gradient_noise(permutation, *(q * 2**k for q in point)) / 2**k for k in range(octaves)]
    total: Values = np.sum(octave, axis=0)
    return total / sum(2.0**-k for k in range(octaves))
