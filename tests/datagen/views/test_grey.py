"""Stored frames as grey levels: full scale is 255 or 1.0, whatever the type."""

import numpy as np
import pytest

from datagen import render_sequences
from datagen.views.grey import grey_levels
from schemas.render import Dtype
from tests.stores import tiny_spec


def test_grey_levels_of_uint8_are_the_frames_themselves() -> None:
    frames = np.arange(256, dtype=np.uint8).reshape(1, 2, 8, 16)
    assert grey_levels(frames) is frames


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_rounded_to_the_nearest_level_and_held_within_black_and_white(dtype: str) -> None:
    values = [0, 1, 0.5, 100.4 / 255, 100.6 / 255, -0.1, 1.7, -np.inf, np.inf, np.nan]
    grey = grey_levels(np.array(values, dtype))
    assert grey.dtype == np.uint8
    assert grey.tolist() == [0, 255, 128, 100, 101, 0, 255, 0, 255, 0]


@pytest.mark.parametrize(("dtype", "apart"), [("float32", 0), ("float16", 1)])
def test_a_spec_looks_the_same_in_every_dtype(dtype: Dtype, apart: int) -> None:
    spec = tiny_spec()
    expected = render_sequences(spec, 0, 20).frames
    grey = grey_levels(render_sequences(spec.model_copy(update={"dtype": dtype}), 0, 20).frames)
    assert np.abs(grey.astype(int) - expected).max() <= apart
    assert expected.any()
