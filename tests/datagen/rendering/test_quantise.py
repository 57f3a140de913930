"""From intensities to what is stored: clipped, rounded to the nearest, and untouched by noise at scale 0."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from datagen.rendering.quantise import store_float16, store_float32, store_uint8

Store = Callable[[NDArray[np.float32], NDArray[np.float32], np.float32, NDArray[Any]], None]
KINDS: list[tuple[Store, type[np.generic]]] = [
    (store_uint8, np.uint8),
    (store_float16, np.uint16),
    (store_float32, np.float32),
]
EVERY_KIND = pytest.mark.parametrize(("store", "dtype"), KINDS, ids=["uint8", "float16", "float32"])
LEVELS = np.arange(256)


def stored(
    store: Store, dtype: type[np.generic], clean: ArrayLike, noise: ArrayLike | None = None, scale: float = 0.0
) -> NDArray[Any]:
    clean = np.atleast_1d(np.asarray(clean, np.float32))
    field = np.full(clean.size, np.nan, np.float32) if noise is None else np.atleast_1d(np.asarray(noise, np.float32))
    out = np.full(clean.size, 77, dtype)
    store(clean, field, np.float32(scale), out)
    return out


def levels(clean: ArrayLike, noise: ArrayLike | None = None, scale: float = 0.0) -> NDArray[np.int64]:
    return stored(store_uint8, np.uint8, clean, noise, scale).astype(np.int64)


def test_grey_levels_survive_the_round_trip() -> None:
    np.testing.assert_array_equal(levels(LEVELS / 255), LEVELS)
    np.testing.assert_array_equal(levels(LEVELS / np.float32(255)), LEVELS)


def test_rounding_changes_halfway_between_grey_levels() -> None:
    halfway = (LEVELS[:-1] + 0.5) / 255
    np.testing.assert_array_equal(levels(halfway * (1 - 1e-6)), LEVELS[:-1])
    np.testing.assert_array_equal(levels(halfway * (1 + 1e-6)), LEVELS[1:])


@given(st.floats(0, 1, width=32))
def test_uint8_is_within_half_a_level(value: float) -> None:
    assert abs(levels(value)[0] - 255 * value) <= 0.5 + 2e-5


@EVERY_KIND
def test_storing_keeps_the_order(store: Store, dtype: type[np.generic]) -> None:
    values = stored(store, dtype, np.linspace(-0.1, 1.1, 100_001))
    assert (values[1:] >= values[:-1]).all()


@EVERY_KIND
def test_values_outside_are_clipped_to_black_and_full_scale(store: Store, dtype: type[np.generic]) -> None:
    black, full = stored(store, dtype, [0.0, 1.0])
    values = stored(store, dtype, [-1e-6, -3.0, -1e30, 1 + 1e-6, 2.0, 1e30])
    assert (values[:3] == black).all()
    assert (values[3:] == full).all()


@EVERY_KIND
def test_noise_that_leads_outside_is_clipped(store: Store, dtype: type[np.generic]) -> None:
    black, full = stored(store, dtype, [0.0, 1.0])
    assert stored(store, dtype, [0.5, 0.5], [-1.0, 1.0], 0.6).tolist() == [black, full]


@EVERY_KIND
def test_scale_zero_does_not_look_at_the_noise(store: Store, dtype: type[np.generic]) -> None:
    clean = np.linspace(0, 1, 99)
    np.testing.assert_array_equal(stored(store, dtype, clean), stored(store, dtype, clean, np.zeros(99)))


@EVERY_KIND
@given(st.floats(0, 1, width=32), st.floats(-2, 2, width=32), st.floats(2.0**-10, 2, width=32))
@example(0.5, -0.25, 1.0)
def test_noise_is_scaled_and_added_before_anything_is_rounded(
    store: Store, dtype: type[np.generic], clean: float, noise: float, scale: float
) -> None:
    total = np.float32(clean) + np.float32(scale) * np.float32(noise)
    assert stored(store, dtype, clean, noise, scale) == stored(store, dtype, total)


@given(st.floats(0, 1, width=32))
@example(0.0)
@example(1.0)
@example(2.0**-24)
@example(2.0**-25)
@example(1e-45)
@example(1 - 2.0**-12)
def test_float16_is_what_numpy_rounds_to_and_float32_is_the_value(value: float) -> None:
    assert stored(store_float16, np.uint16, value) == np.array([value], np.float32).astype(np.float16).view(np.uint16)
    assert stored(store_float32, np.float32, value) == np.float32(value)


def test_float16_is_what_numpy_rounds_to_over_the_whole_scale() -> None:
    values = np.linspace(0, 1, 2**20 + 1, dtype=np.float32)
    expected = values.astype(np.float16).view(np.uint16)
    np.testing.assert_array_equal(stored(store_float16, np.uint16, values), expected)
