"""Gradient noise: equal to the package `noise` and to Perlin's definition, on any grid; smooth in space and time."""

from typing import Any

import noise
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from datagen.rendering.gradient_noise import add_gradient_noise
from tests.reference.perlin import PERLINS_PERMUTATION, fractal_noise

FLOAT32 = st.floats(-3000, 3000, width=32)
"""What `pnoise3` sees exactly: it takes float32 and scales by powers of two. It repeats after 1024, we after 256."""
REAL = st.floats(-3000, 3000)
OCTAVES = st.integers(1, 8)
PERMUTATIONS = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).permutation(256))
STEP = 2.0**-8
"""Lattice cells; a power of two, so that positions are exact."""


def frame(
    x: ArrayLike, y: ArrayLike, t: float, *, octaves: int = 1, permutation: ArrayLike = PERLINS_PERMUTATION
) -> NDArray[np.float32]:
    x, y = np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))
    out = np.zeros((y.size, x.size), np.float32)
    add_gradient_noise(np.tile(np.asarray(permutation, np.uint8), 2), x, y, float(t), octaves, 1.0, out)
    return out


def at(x: float, y: float, t: float, **options: Any) -> float:
    return float(frame(x, y, t, **options)[0, 0])


def columns(values: list[float]) -> NDArray[np.float64]:
    return np.sort(np.array(values))


@given(FLOAT32, FLOAT32, FLOAT32, OCTAVES)
@example(-0.25, -1.5, -255.75, 8)
@example(-1e-7, 1023.75, -1024.5, 4)
@example(255.5, 256.5, 2047.9375, 1)
def test_values_are_those_of_the_package_noise(x: float, y: float, t: float, octaves: int) -> None:
    assert abs(at(x, y, t, octaves=octaves) - noise.pnoise3(x, y, t, octaves=octaves)) < 1e-5


@pytest.mark.parametrize("octaves", range(1, 9))
def test_a_whole_frame_is_that_of_the_package_noise(octaves: int) -> None:
    generator = np.random.default_rng(octaves)
    x, y = (
        np.sort(generator.uniform(-300, 300, 40)).astype(np.float32),
        generator.uniform(-300, 300, 30).astype(np.float32),
    )
    t = float(np.float32(generator.uniform(-300, 300)))
    expected = [[noise.pnoise3(column, row, t, octaves=octaves) for column in x.tolist()] for row in y.tolist()]
    np.testing.assert_allclose(frame(x, y, t, octaves=octaves), expected, rtol=0, atol=1e-5)


@given(PERMUTATIONS, REAL, REAL, REAL, OCTAVES)
def test_values_are_perlins_definition_for_any_permutation(
    permutation: NDArray[np.int64], x: float, y: float, t: float, octaves: int
) -> None:
    expected = fractal_noise(permutation, x, y, t, octaves)
    assert abs(at(x, y, t, octaves=octaves, permutation=permutation) - expected) < 1e-5


@given(
    st.lists(REAL, min_size=1, max_size=9).map(columns),
    st.lists(REAL, min_size=1, max_size=9).map(np.array),
    REAL,
    OCTAVES,
)
@example(np.array([-0.5]), np.array([7.25]), 0.0, 1)
@example(np.array([-3.0, -3.0, 0.0, 0.5, 9.0]), np.array([4.0, 4.0, -4.0]), -1.0, 2)
def test_any_grid_is_its_points(x: NDArray[np.float64], y: NDArray[np.float64], t: float, octaves: int) -> None:
    points = [[at(column, row, t, octaves=octaves) for column in x] for row in y]
    np.testing.assert_array_equal(frame(x, y, t, octaves=octaves), points)


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.003, 5), st.floats(-300, 300), REAL, st.integers(1, 4))
@example(7, 40, 0.25, -20.0, 3.3, 4)  # cells of four pixels
@example(40, 7, 1.0, 0.5, 3.3, 1)  # every pixel has a cell of its own
@example(12, 12, 2.5, -0.1, 0.0, 3)  # cells smaller than a pixel: rows and columns skip some
def test_any_frame_is_perlins_definition(
    width: int, height: int, cells_per_pixel: float, start: float, t: float, octaves: int
) -> None:
    x, y = start + np.arange(width) * cells_per_pixel, -start + np.arange(height) * cells_per_pixel
    expected = fractal_noise(PERLINS_PERMUTATION, x[None, :], y[:, None], t, octaves)
    np.testing.assert_allclose(frame(x, y, t, octaves=octaves), expected, rtol=0, atol=1e-5)


@given(st.floats(-4, 4), OCTAVES)
def test_noise_is_added_with_its_amplitude(amplitude: float, octaves: int) -> None:
    x, y = np.linspace(0, 3, 13), np.linspace(5, 6, 5)
    out = np.full((5, 13), np.float32(0.5))
    add_gradient_noise(np.tile(np.array(PERLINS_PERMUTATION, np.uint8), 2), x, y, 0.3, octaves, amplitude, out)
    np.testing.assert_allclose(out, 0.5 + amplitude * frame(x, y, 0.3, octaves=octaves), rtol=0, atol=3e-6)


@given(PERMUTATIONS, st.integers(-600, 600), st.integers(-600, 600), st.integers(-600, 600), OCTAVES)
def test_noise_is_zero_at_lattice_points(permutation: NDArray[np.int64], x: int, y: int, t: int, octaves: int) -> None:
    assert not frame(x + np.arange(5), y + np.arange(4), t, octaves=octaves, permutation=permutation).any()


@given(st.tuples(*[st.integers(-(2**14), 2**14)] * 3), st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 2, -3)]))
def test_noise_repeats_after_256_cells(sixtyfourths: tuple[int, ...], periods: tuple[int, ...]) -> None:
    point = np.array(sixtyfourths) / 64
    assert at(*point, octaves=3) == at(*(point + 256 * np.array(periods)), octaves=3)


@pytest.mark.parametrize("axis", ["x", "y", "t"])
def test_noise_is_twice_continuously_differentiable_along(axis: str) -> None:
    """
    Check that the second derivative moves by no more than the largest third derivative allows, across cell borders too.

    With n = a + f (b - a), a and b linear and within 2, n''' = f''' (b - a) + 3 f'' (b' - a') is below
    60 * 4 + 3 * 6 * 2 = 276. A fade whose second derivative jumps, such as the 3 s^2 - 2 s^3 of 1985, jumps by ten and
    more at many borders.
    """
    line = -3 + STEP * np.arange(6 * 256)
    match axis:
        case "x":
            values = frame(line, [0.3, 1.7, 40.6], 5.4)
        case "y":
            values = frame([0.3, 1.7, 40.6], line, 5.4).T
        case _:
            values = np.array([frame([0.3, 1.7, 40.6], 0.6, t)[0] for t in line]).T
    rounding = 4 * 2.0**-23 / STEP**2
    second = np.diff(values.astype(np.float64), 2, axis=1) / STEP**2
    assert np.abs(np.diff(second, axis=1)).max() < 276 * STEP + rounding
    assert np.abs(second).max() > 3  # it is not the zero function


def test_noise_differs_between_permutations_and_from_frame_to_frame() -> None:
    x, y = np.linspace(0, 8, 33), np.linspace(0, 8, 33)
    other = np.random.default_rng(0).permutation(256)
    assert np.abs(frame(x, y, 0.5) - frame(x, y, 0.5, permutation=other)).mean() > 0.1
    assert np.abs(frame(x, y, 0.5) - frame(x, y, 1.5)).mean() > 0.1
