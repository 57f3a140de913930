"""Colours of frames, errors and gates say what the numbers say."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainer.evaluation.panels import (
    EXPERT_COLOURS,
    Clock,
    error_pictures,
    forecast_panels,
    gate_panels,
    gate_pictures,
    grey_levels,
    grey_pictures,
    overlaid_pictures,
    part_panels,
    tinted_panel,
)

RNG = np.random.default_rng(5)
INPUTS, TRUTH = RNG.random((4, 6, 8)), RNG.random((3, 6, 8))


def luminance(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the relative luminance of sRGB colours, 0 to 1 (IEC 61966-2-1)."""
    values = pictures / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def seen_without_red_cones(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return linear colours as protanopes see them (Vienot, Brettel and Mollon, 1999)."""
    matrix = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    return colours @ matrix.T


def seen_without_green_cones(colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return linear colours as deuteranopes see them (Vienot, Brettel and Mollon, 1999)."""
    matrix = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    return colours @ matrix.T


def test_grey_levels_are_rounded_and_clipped() -> None:
    values = np.array([-1, 0, 0.1, 0.5, 1, 7, np.nan, np.inf])
    assert grey_levels(values).tolist() == [0, 0, 26, 128, 255, 255, 0, 255]


@given(st.floats(0, 1), st.floats(0, 1))
def test_larger_errors_are_brighter(one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert luminance(error_pictures(np.array(small))) <= luminance(error_pictures(np.array(large))) + 1e-9
    assert np.array_equal(error_pictures(np.array(-large)), error_pictures(np.array(large)))


def test_no_error_is_black_and_what_is_no_number_is_a_full_error() -> None:
    assert error_pictures(np.zeros(2)).max() == 0
    assert np.array_equal(error_pictures(np.array(np.nan)), error_pictures(np.array(1.0)))


@pytest.mark.parametrize("seen", [lambda colours: colours, seen_without_red_cones, seen_without_green_cones])
def test_hues_of_three_experts_differ_for_every_eye(seen: Callable[[Any], Any]) -> None:
    hues = (np.array(EXPERT_COLOURS[:3]) / 255) ** 2.2
    for brightness in (1, 0.5):
        shown = np.clip(seen(hues * brightness), 0, 1) ** (1 / 2.2)
        distances = [np.linalg.norm(shown[a] - shown[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
        assert min(distances) > 0.15, distances


def test_gate_is_its_share_of_the_hue() -> None:
    assert gate_pictures(np.array([0, 0.5, 1, 2]), (200, 100, 0)).tolist() == [
        [0, 0, 0],
        [100, 50, 0],
        [200, 100, 0],
        [200, 100, 0],
    ]


def test_one_expert_alone_tints_white_in_its_hue() -> None:
    maps = np.zeros((1, 3, 1, 1))
    maps[:, 1] = 1
    assert overlaid_pictures(np.ones((1, 1, 1)), maps, EXPERT_COLOURS[:3]).ravel().tolist() == list(EXPERT_COLOURS[1])


def test_brighter_frames_stay_brighter_and_black_keeps_a_tint() -> None:
    maps = np.full((1, 3, 1, 4), 1 / 3)
    tinted = luminance(overlaid_pictures(np.array([[[0, 0.3, 0.6, 1]]]), maps, EXPERT_COLOURS[:3]))[0, 0]
    assert (np.diff(tinted) > 0).all()
    assert tinted[0] > 0


def test_weights_that_sum_to_more_than_one_count_by_their_shares() -> None:
    maps = RNG.random((2, 3, 4, 4))
    maps /= maps.sum(1, keepdims=True)
    frames = RNG.random((2, 4, 4))
    once, twice = (overlaid_pictures(frames, maps * factor, EXPERT_COLOURS[:3]).astype(int) for factor in (1, 2))
    assert np.abs(once - twice).max() <= 1


def test_all_panels_start_with_the_inputs_and_persistence_repeats_the_last() -> None:
    frames = RNG.random((3, 6, 8))
    truth, forecast, persistence, error = (panel.pictures for panel in forecast_panels(INPUTS, TRUTH, frames))
    for shown in (truth, forecast, persistence):
        assert np.array_equal(shown[:4], grey_pictures(INPUTS))
    assert np.array_equal(forecast[4:], grey_pictures(frames))
    assert np.array_equal(persistence[4:], np.repeat(grey_pictures(INPUTS)[-1:], 3, 0))
    assert not error[:4].any()
    assert np.array_equal(error[4:], error_pictures(frames - TRUTH))


def test_error_is_that_of_the_clipped_forecast() -> None:
    *_, error = forecast_panels(INPUTS, np.ones_like(TRUTH), np.full_like(TRUTH, 1.5))
    assert not error.pictures.any()


def test_panels_of_experts_have_a_picture_for_every_frame() -> None:
    maps, names = np.full((3, 2, 6, 8), 0.5), ("up", "down")
    panels = [tinted_panel(INPUTS, TRUTH, maps), *gate_panels(INPUTS, maps, names), *part_panels(INPUTS, maps, names)]
    assert [panel.title for panel in panels] == [
        "tinted by the gates",
        "gate of up",
        "gate of down",
        "up alone",
        "down alone",
    ]
    assert {panel.pictures.shape for panel in panels} == {(7, 6, 8, 3)}
    assert not any(panel.pictures[:4].any() for panel in panels[1:])


def test_clock_names_every_frame() -> None:
    clock = Clock(inputs=2, horizon=3)
    assert clock.captions == (
        "input 1 of 2",
        "input 2 of 2",
        "lead time 1 of 3",
        "lead time 2 of 3",
        "lead time 3 of 3",
    )
    assert clock.columns == ("input 1", "input 2", "+1", "+2", "+3")
