"""Gradient noise alone, four octaves, against the packages that people use for it; one thread."""

from collections.abc import Callable

import noise
import numba
import numpy as np
import opensimplex
from perlin_numpy import generate_fractal_noise_3d
from timing import Row, arguments, interleaved, medians, report

from datagen.rendering.gradient_noise import LACUNARITY, PERSISTENCE, add_gradient_noise

SIDE, FRAMES, OCTAVES = 128, 16, 4
"""16 frames instead of 10, because perlin-numpy takes whole lattice cells only."""
CELL, CELL_FRAMES = 32, 8
"""px and frames of the first octave's lattice cell."""
PEER_FRAMES = 2
"""What pnoise3 does in a round: it needs a third of a second for all frames."""
REPETITIONS = 16
"""What our kernel does in a round, so that a round lasts long enough to time."""
LIMIT, STRETCH = 50.0, 100.0


def main() -> None:
    """Print ns per pixel of each package and what our kernel gains over it."""
    options = arguments(__doc__ or "", rounds=9)
    numba.set_num_threads(1)  # opensimplex's kernel is parallel
    frame, pixels = SIDE * SIDE, SIDE * SIDE * FRAMES
    tasks = {
        "datagen": datagen_task(),
        "noise.pnoise3": pnoise3_task(),
        "opensimplex.noise3array": opensimplex_task(),
        "perlin_numpy.generate_fractal_noise_3d": perlin_numpy_task(),
    }
    pieces = dict.fromkeys(tasks, pixels) | {
        "datagen": pixels * REPETITIONS,
        "noise.pnoise3": frame * PEER_FRAMES,
    }
    cost = medians(interleaved(tasks, options.rounds), pieces)
    ours = cost.pop("datagen")
    report(
        [
            Row(
                benchmark=f"Perlin: {name} / datagen",
                measured=theirs / ours,
                at_least=True,
                limit=LIMIT if name == "noise.pnoise3" else None,
                stretch=STRETCH if name == "noise.pnoise3" else None,
                detail=f"{theirs:.1f} ns / {ours:.2f} ns a pixel, {OCTAVES} octaves, {SIDE}x{SIDE}",
            )
            for name, theirs in cost.items()
        ],
        options,
    )


def datagen_task() -> Callable[[int], object]:
    """Fill whole frames, as the renderer does."""
    permutation = np.tile(np.random.default_rng(0).permutation(256).astype(np.uint8), 2)
    x, y = (np.arange(SIDE) + 0.5) / CELL + 17.3, (np.arange(SIDE) + 0.5) / CELL + 5.8
    out = np.zeros((FRAMES, SIDE, SIDE), np.float32)

    def run(number: int) -> None:
        for k in range(REPETITIONS):
            for frame in range(FRAMES):
                t = number * REPETITIONS + k + frame / CELL_FRAMES
                add_gradient_noise(permutation, x, y, t, OCTAVES, 1.0, out[frame])

    return run


def pnoise3_task() -> Callable[[int], object]:
    """Call it per pixel from Python: the package has no other way."""
    points = [((column + 0.5) / CELL, (row + 0.5) / CELL) for row in range(SIDE) for column in range(SIDE)]

    def run(number: int) -> None:
        pnoise3 = noise.pnoise3
        for frame in range(PEER_FRAMES):
            t = number + frame / CELL_FRAMES
            np.array([pnoise3(x, y, t, OCTAVES, PERSISTENCE, LACUNARITY) for x, y in points], np.float32)

    return run


def opensimplex_task() -> Callable[[int], object]:
    """Sum octaves of its array function, compiled by Numba."""
    x, t = (np.arange(SIDE) + 0.5) / CELL, np.arange(FRAMES) / CELL_FRAMES

    def run(number: int) -> None:
        total = np.zeros((FRAMES, SIDE, SIDE))
        for octave in range(OCTAVES):
            frequency = LACUNARITY**octave
            shifted = (t + number) * frequency
            total += PERSISTENCE**octave * opensimplex.noise3array(x * frequency, x * frequency, shifted)

    return run


def perlin_numpy_task() -> Callable[[int], object]:
    """Call its fractal noise, pure NumPy, for all frames at once."""
    cells = (FRAMES // CELL_FRAMES, SIDE // CELL, SIDE // CELL)

    def run(number: int) -> None:
        rng = np.random.default_rng(number)
        generate_fractal_noise_3d((FRAMES, SIDE, SIDE), cells, octaves=OCTAVES, rng=rng)

    return run


if __name__ == "__main__":
    main()
