"""
Mean |.| of gradient noise per number of octaves: `python -m tests.reference.perlin_mean`, five minutes.

The mean is over uniform positions and uniform permutations. A slice takes a new permutation and a grid of points, one
at random in each square of 8 x 8 cells; the times of a replicate's slices fall into equal strata of one lattice step,
which takes out most of the variance. Replicates are independent and give the standard error. At one lattice time
there are but 256 different corners, so that more slices help where more points a slice do not.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from tests.reference.perlin import gradient_noise

MAX_OCTAVES = 8
LATTICE = 256
SIDE = 32
"""Points of a slice along x and along y; least variance for its time among 16, 32, 64, 128."""
STRATA = 16
REPLICATES = 4000


def estimate(seed: int, replicate: int) -> NDArray[np.float64]:
    """Return one replicate of the mean |noise| for 1 .. MAX_OCTAVES octaves: (octaves,)."""
    generator = np.random.default_rng((seed, replicate))
    times = generator.integers(LATTICE) + (np.arange(STRATA) + generator.random(STRATA)) / STRATA
    means: NDArray[np.float64] = np.mean([_slice_means(generator, t) for t in times], axis=0)
    return means


def _slice_means(generator: np.random.Generator, t: float) -> NDArray[np.float64]:
    permutation = generator.permutation(LATTICE)
    y, x = (np.indices((SIDE, SIDE)) + generator.random((2, SIDE, SIDE))) * (LATTICE / SIDE)
    total, amplitudes, means = np.zeros((SIDE, SIDE)), 0.0, []
    for octave in range(MAX_OCTAVES):
        frequency = 2.0**octave
        total += gradient_noise(permutation, x * frequency, y * frequency, t * frequency) / frequency
        amplitudes += 1 / frequency
        means.append(np.abs(total).mean() / amplitudes)
    return np.array(means)


def main() -> None:
    """Print the table and its relative standard errors."""
    estimates = np.array([estimate(0, replicate) for replicate in range(REPLICATES)])
    means = estimates.mean(axis=0)
    errors = estimates.std(axis=0, ddof=1) / np.sqrt(REPLICATES) / means
    sys.stdout.write(f"MEAN_PERLIN = ({', '.join(f'{mean:.5f}' for mean in means)})\n")
    sys.stdout.write(f"relative standard errors: {', '.join(f'{error:.1e}' for error in errors)}\n")


if __name__ == "__main__":
    main()
