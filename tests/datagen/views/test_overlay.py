"""Overlays: arrows begin on what moves, point where the flow points and are as long as three frames of it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from datagen.views.overlay import GREYS, PALETTE, draw_flow, indexed, outline_objects

Picture = NDArray[np.uint8]
ARROW, SHADOW = GREYS + 6, 0
PAPER = 120
"""Index of the grey that is drawn on."""


def test_greys_keep_their_order_and_the_colours_are_none_of_them() -> None:
    levels = np.arange(256, dtype=np.uint8)
    index = indexed(levels)
    assert index.min() == 0
    assert index.max() == GREYS - 1
    assert (np.diff(index.astype(int)) >= 0).all()
    assert np.abs(PALETTE[index].astype(int) - levels[:, None]).max() <= 1
    colours = PALETTE[GREYS : ARROW + 1]
    assert len(np.unique(colours, axis=0)) == 7
    assert (np.ptp(colours.astype(int), axis=1) > 50).all()


def drawn(flow: NDArray[np.float64], scale: int = 1) -> Picture:
    """Draw flow (2, y, x) on grey paper; the paper itself stays as it was."""
    paper = np.full((flow.shape[1] * scale, flow.shape[2] * scale), PAPER, np.uint8)
    picture = draw_flow(paper, flow, scale)
    assert (paper == PAPER).all()
    return picture


def square_flow(dx: float, dy: float, scale: int = 1) -> NDArray[np.float64]:
    """Return flow in the square of one arrow in the middle of 5x5 such squares."""
    cell = 26 // scale
    flow = np.zeros((2, 5 * cell, 5 * cell))
    flow[:, 2 * cell : 3 * cell, 2 * cell : 3 * cell] = np.array([dx, dy])[:, None, None]
    return flow


@given(angle=st.floats(0, math.tau), length=st.floats(15, 40), scale=st.sampled_from([1, 2, 5]))
def test_an_arrow_points_where_the_flow_points_and_is_three_frames_long(
    angle: float, length: float, scale: int
) -> None:
    dx, dy = (math.cos(angle) * length / 3 / scale, math.sin(angle) * length / 3 / scale)
    flow = square_flow(dx, dy, scale)
    picture = drawn(flow, scale)
    ys, xs = np.nonzero(picture == ARROW)
    middle = 2.5 * (26 // scale) * scale
    x, y = xs + 0.5 - middle, ys + 0.5 - middle
    along = x * math.cos(angle) + y * math.sin(angle)
    across = -x * math.sin(angle) + y * math.cos(angle)
    assert along.min() == pytest.approx(0, abs=2)
    assert along.max() == pytest.approx(length, abs=2)
    assert abs(across.mean()) < 1
    # The head is at the far end: it is wider than the shaft.
    assert np.ptp(across[along > length - 6]) > 1.4 * np.ptp(across[(along > 3) & (along < length - 8)])
    assert (picture == SHADOW).any()
    assert set(np.unique(picture)) == {SHADOW, PAPER, ARROW}


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (1.2, 0.0), (0.9, -0.9)])
def test_what_hardly_moves_gets_no_arrow(dx: float, dy: float) -> None:
    assert (drawn(square_flow(dx, dy)) == PAPER).all()


def test_a_square_needs_a_quarter_that_moves_and_background_does_not_slow_the_arrow() -> None:
    flow = square_flow(8, 0)
    flow[:, :, 65:] = 0  # half of the square moves, x from 52 to 64
    ys, xs = np.nonzero(drawn(flow) == ARROW)
    assert xs.min() == pytest.approx(58.5, abs=1.5), "from the middle of what moves"
    assert xs.max() == pytest.approx(58.5 + 24, abs=1.5), "at its speed"
    assert ys.mean() == pytest.approx(64.5, abs=1)
    flow[:, :, 58:] = 0  # less than a quarter
    assert (drawn(flow) == PAPER).all()


def test_opposite_motions_are_arrows_of_their_own() -> None:
    flow = square_flow(8, 0)
    flow[:, :26] = np.array([-8.0, 0.0])[:, None, None]
    picture = drawn(flow)
    assert np.nonzero(picture[52:78] == ARROW)[1].max() > 65 + 20
    upper = np.nonzero(picture[:26] == ARROW)[1]
    assert upper.min() < 13
    assert upper.size > 4 * (picture[52:78] == ARROW).sum()


def test_half_precision_flow_does_not_overflow() -> None:
    flow = square_flow(60_000, 0).astype(np.float16)
    assert (drawn(flow) == ARROW).any()  # type: ignore[arg-type]


def neighbours(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels outside that touch a pixel inside along an edge, pixel by pixel."""
    touching = np.zeros_like(inside)
    for y, x in np.ndindex(inside.shape):
        sides = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        within = [inside[j, i] for j, i in sides if 0 <= j < inside.shape[0] and 0 <= i < inside.shape[1]]
        touching[y, x] = not inside[y, x] and any(within)
    return touching


@given(seed=st.integers(0, 1000), objects=st.integers(1, 16))
def test_outlines_are_around_every_object_and_nothing_else_is_touched(seed: int, objects: int) -> None:
    mask = np.random.default_rng(seed).integers(0, objects + 1, (7, 9), np.uint8)
    mask[2:5, 3:6] = objects
    picture = np.full(mask.shape, PAPER, np.uint8)
    outline_objects(picture, mask)
    touched = np.zeros(mask.shape, bool)
    for item in range(1, objects + 1):
        around = neighbours(mask == item)
        touched |= around
        only = around & ~np.any(
            [neighbours(mask == other) for other in range(item + 1, objects + 1)] or [False], axis=0
        )
        assert (picture[only] == GREYS + (item - 1) % 6).all()
    assert np.array_equal(picture != PAPER, touched)


def test_an_object_at_the_border_is_outlined_within_the_picture() -> None:
    mask = np.zeros((4, 4), np.uint8)
    mask[:2, :2] = 1
    picture = np.zeros((4, 4), np.uint8)
    outline_objects(picture, mask)
    assert np.argwhere(picture).tolist() == [[0, 2], [1, 2], [2, 0], [2, 1]]
    everywhere = np.zeros((4, 4), np.uint8)
    outline_objects(everywhere, np.ones((4, 4), np.uint8))
    assert not everywhere.any()
