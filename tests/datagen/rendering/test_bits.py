"""Bit patterns: float16 exactly as IEEE 754 rounds it, which NumPy does."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from datagen.rendering import bits

SMALLEST_SUBNORMAL, SMALLEST_NORMAL, LARGEST, TOO_LARGE = 2.0**-24, 2.0**-14, 65504.0, 65520.0


@njit
def halves(values, out):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        out[i] = bits.half_bits(values[i])


@njit
def patterns(values, out):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        out[i] = bits.bits_of(values[i])


def half_bits(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    out = np.empty(values.size, np.uint16)
    halves(values, out)
    return out


def numpys(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    return values.astype(np.float16).view(np.uint16)


@pytest.fixture(scope="module")
def every_half() -> NDArray[np.float32]:
    """All finite numbers of float16 from 0 on, ascending, as float32."""
    return np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)


def test_bits_of_reinterprets_a_float32() -> None:
    values = np.array([0.0, -0.0, 1.0, -1.5, 2.0**-126, 1e-45, np.inf, -np.inf], np.float32)
    out = np.empty(values.size, np.uint32)
    patterns(values, out)
    np.testing.assert_array_equal(out, values.view(np.uint32))


@pytest.mark.parametrize("sign", [1, -1])
def test_every_finite_half_is_itself(every_half: NDArray[np.float32], sign: int) -> None:
    np.testing.assert_array_equal(half_bits(np.float32(sign) * every_half), numpys(np.float32(sign) * every_half))
    assert half_bits(every_half).tolist() == list(range(0x7C00))


@pytest.mark.parametrize("sign", [1, -1])
def test_every_tie_goes_to_even_and_its_neighbours_to_the_nearer(every_half: NDArray[np.float32], sign: int) -> None:
    ties = np.float32(0.5) * (every_half[:-1] + every_half[1:])  # exact
    for magnitudes in (ties, np.nextafter(ties, np.float32(0)), np.nextafter(ties, np.float32(np.inf))):
        values = np.float32(sign) * magnitudes
        np.testing.assert_array_equal(half_bits(values), numpys(values))
    assert not (half_bits(ties) & 1).any()


def test_values_up_to_the_largest_that_does_not_overflow_are_rounded_down() -> None:
    values = np.array([LARGEST, 65519.0, np.nextafter(np.float32(TOO_LARGE), np.float32(0))], np.float32)
    np.testing.assert_array_equal(half_bits(values), numpys(np.full(3, LARGEST, np.float32)))


@given(st.floats(-500, 500, width=32))
@example(-0.0)
@example(SMALLEST_SUBNORMAL / 2)
@example(SMALLEST_SUBNORMAL * 0.75)
@example(-SMALLEST_SUBNORMAL * 1.5)
@example(float(np.nextafter(np.float32(SMALLEST_NORMAL), np.float32(0))))
@example(1e-45)
def test_flow_is_rounded_as_numpy_rounds_it(value: float) -> None:
    values = np.array([value], np.float32)
    assert half_bits(values) == numpys(values)


@pytest.mark.parametrize("largest", [2.0**-13, 1.0, 500.0])
def test_a_million_numbers_are_rounded_as_numpy_rounds_them(largest: float) -> None:
    values = np.random.default_rng(0).uniform(-largest, largest, 10**6).astype(np.float32)
    np.testing.assert_array_equal(half_bits(values), numpys(values))
