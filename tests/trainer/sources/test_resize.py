"""Pictures are cropped where asked, and every pixel of the frame is the mean of the area that it covers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.recipe import Recipe
from trainer.sources.resize import fitted

RNG = np.random.default_rng(5)


def recipe(height: int, width: int, **fields: Any) -> Recipe:
    return Recipe.parse({"kind": "video", "height": height, "width": width, **fields})


def mean_of_areas(picture: NDArray[Any], height: int, width: int) -> NDArray[np.float64]:
    """Repeat every pixel so often that both grids fit, then take means: slow and obviously right."""
    y, x = picture.shape
    fine = np.repeat(np.repeat(picture.astype(np.float64), height, 0), width, 1)  # (y * height, x * width)
    return fine.reshape(height, y, width, x).mean((1, 3))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_every_pixel_is_the_mean_of_its_area(y: int, x: int, height: int, width: int) -> None:
    picture = np.random.default_rng(y * x).random((y, x), np.float32)
    frame = fitted(picture, recipe(height, width, crop={"height": y, "width": x}))
    np.testing.assert_allclose(frame, mean_of_areas(picture, height, width), atol=1e-6)


def test_grey_levels_are_rounded_and_stay_uint8() -> None:
    picture = RNG.integers(0, 256, (30, 21), np.uint8)
    frame = fitted(picture, recipe(10, 7, crop={"height": 30, "width": 21}))
    assert frame.dtype == np.uint8
    exact = mean_of_areas(picture, 10, 7)
    assert np.abs(frame - exact).max() <= 0.5 + 1e-4


def test_16_bits_become_fractions() -> None:
    picture = np.full((4, 4), 65_535, np.uint16)
    assert np.array_equal(fitted(picture, recipe(2, 2)), np.ones((2, 2), np.float32))


def test_without_a_crop_the_middle_of_the_frames_aspect_is_taken() -> None:
    picture = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
    assert np.array_equal(fitted(picture, recipe(12, 12)), picture[:, 2:14])
    assert np.array_equal(fitted(picture, recipe(4, 16)), picture[4:8])


def test_a_crop_has_its_place() -> None:
    picture = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
    asked = recipe(3, 5, crop={"height": 3, "width": 5, "top": 9, "left": 1})
    assert np.array_equal(fitted(picture, asked), picture[9:12, 1:6])


@pytest.mark.parametrize("crop", [{"height": 13, "width": 4}, {"height": 3, "width": 4, "top": 10, "left": 0}])
def test_a_crop_beyond_the_picture_is_refused(crop: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"the crop \d+x4 at row .* lies outside pictures of 12x16 px; give a smaller"):
        fitted(np.zeros((12, 16), np.uint8), recipe(3, 4, crop=crop))


def test_a_pixel_is_the_mean_of_its_data_or_none_where_less_than_half_is_known() -> None:
    picture = np.array([[1, np.nan, np.nan, np.nan], [3, 5, np.nan, 8]], np.float32)
    found = fitted(picture, Recipe(kind="radar", height=1, width=2))
    np.testing.assert_allclose(found, [[3, np.nan]])


def test_no_data_does_not_change_pixels_that_have_all() -> None:
    whole = RNG.random((20, 20)).astype(np.float32)
    holed = whole.copy()
    holed[:10, :10] = np.nan
    a, b = (fitted(picture, Recipe(kind="radar", height=4, width=4)) for picture in (whole, holed))
    assert np.isnan(b[:2, :2]).all()
    np.testing.assert_allclose(b[2:], a[2:], rtol=1e-6)
