"""Paths are cubic polynomials, the same from whichever moment they are seen; an orbit keeps its distance."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from datagen.rendering.kinematics import evaluate, pose, rebase
from datagen.rendering.parameters import ANGLE
from datagen.rendering.sequence import Renderer
from tests.reference import kinematics
from tests.reference.parameters import Columns, columns_of, row_of, rows_of
from tests.reference.specs import spec_of

Array = NDArray[Any]
MOMENTS = (-3.0, 0.0, 0.5, 4.0, 9.0, 23.75)

values = st.floats(-100, 100)
derivatives = st.tuples(values, values, values, values)
moments = st.floats(-30, 30)

SPECS: dict[str, Any] = {
    "translation": "translation",
    "rotation": "rotation",
    "orbit": {"kind": "rotation", "pivot": "orbit"},
    "mixed": {"kind": "mixed", "rotation": {"pivot": "orbit"}},
}


def drawn(name: str, count: int = 20) -> list[Columns]:
    spec = spec_of(SPECS[name], height=24, width=32)
    table = Renderer(spec).render(0, count).parameters
    return [columns_of(table, k) for k in range(count)]


def tolerance(q: tuple[float, float, float, float], t: float) -> float:
    """Bound the rounding of a cubic: a few units in the last place of its largest term."""
    return 1e-14 * sum(abs(c) * max(1.0, abs(t)) ** k for k, c in enumerate(q)) + 1e-300


@given(q=derivatives, t=moments)
def test_evaluate_is_the_closed_form(q: tuple[float, float, float, float], t: float) -> None:
    assert evaluate(*q, t) == pytest.approx(float(kinematics.motion(*q)(t)), rel=0, abs=tolerance(q, t))


@given(q=derivatives, t=moments)
def test_rebase_gives_the_derivatives_of_the_closed_form(q: tuple[float, float, float, float], t: float) -> None:
    path = kinematics.motion(*q)
    expected = [float(path.deriv(order)(t)) if order else float(path(t)) for order in range(4)]
    assert rebase(*q, t) == pytest.approx(expected, rel=0, abs=tolerance(q, t))


@given(q=derivatives, t=st.floats(-5, 5))
def test_rebased_derivatives_are_finite_differences_of_the_path(q: tuple[float, float, float, float], t: float) -> None:
    # Central differences of a cubic: the first is off by q''' h^2 / 6, the second is exact.
    h = 0.125
    before, here, after = (evaluate(*q, t + step) for step in (-h, 0.0, h))
    _, velocity, acceleration, jerk = rebase(*q, t)
    assert (after - before) / (2 * h) - jerk * h**2 / 6 == pytest.approx(velocity, rel=0, abs=1e-9)
    assert (after - 2 * here + before) / h**2 == pytest.approx(acceleration, rel=0, abs=1e-8)


@given(q=derivatives, shift=moments, t=moments)
def test_rebased_path_is_the_same_path_seen_from_another_moment(
    q: tuple[float, float, float, float], shift: float, t: float
) -> None:
    allowed = tolerance(q, abs(shift) + abs(t))
    assert evaluate(*rebase(*q, shift), t) == pytest.approx(evaluate(*q, shift + t), rel=0, abs=allowed)


@pytest.mark.parametrize("name", SPECS)
def test_pose_is_the_closed_form_of_the_columns(name: str) -> None:
    for columns in drawn(name):
        for item, row in enumerate(rows_of(columns)):
            for t in MOMENTS:
                centre, angle = kinematics.pose(columns, item, t)
                assert pose(row, t) == pytest.approx((*centre, angle), rel=0, abs=1e-9)


def test_pose_at_the_start_is_the_drawn_position_and_angle() -> None:
    for name in SPECS:
        for columns in drawn(name, 5):
            for item, row in enumerate(rows_of(columns)):
                assert pose(row, 0.0) == pytest.approx((*columns["position"][item], columns["angle"][item]))


@pytest.mark.parametrize("name", ["orbit", "mixed"])
def test_orbit_keeps_its_distance_from_the_moving_pivot(name: str) -> None:
    orbits = 0
    for columns in drawn(name):
        for item, row in enumerate(rows_of(columns)):
            radius = float(np.hypot(*columns["pivot"][item]))
            orbits += radius > 0
            for t in MOMENTS:
                pivot = [path(t) for path in kinematics.pivot_paths(columns, item)]
                x, y, _ = pose(row, t)
                assert np.hypot(x - pivot[0], y - pivot[1]) == pytest.approx(radius, abs=1e-9)
    assert orbits >= 10


def test_pivot_is_a_fixed_point_of_the_object() -> None:
    for columns in drawn("mixed"):
        for item, row in enumerate(rows_of(columns)):
            for t in MOMENTS:
                x, y, angle = pose(row, t)
                pivot = [path(t) for path in kinematics.pivot_paths(columns, item)]
                in_object = kinematics.turn(row[ANGLE] - angle) @ [pivot[0] - x, pivot[1] - y]
                assert in_object == pytest.approx(columns["pivot"][item], abs=1e-9)


def test_turning_is_clockwise_on_screen_for_a_positive_angular_velocity() -> None:
    quarter = np.pi / 2
    row = row_of("circle", ("rotation",), position=(10, 10), pivot=(-4, 0), angular_velocity=quarter)
    # The pivot is at (6, 10), the centre to its right; y points down, so clockwise goes from right to below.
    assert pose(row, 1.0) == pytest.approx((6, 14, quarter))
