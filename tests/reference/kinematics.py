"""Motion as polynomials: q(t) = q0 + q' t + q'' t^2/2 + q''' t^3/6."""

from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from tests.reference.parameters import Columns


def motion(q0: float, q1: float, q2: float, q3: float) -> Polynomial:
    """Return the path whose value and three derivatives at t = 0 are given."""
    return Polynomial([q0, q1, q2 / 2, q3 / 6])


def turn(angle: float) -> NDArray[Any]:
    """Return the matrix that turns (x, y), y down, clockwise on screen."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def angle_path(columns: Columns, item: int) -> Polynomial:
    """Return the angle of an object over time, rad."""
    names = ("angle", "angular_velocity", "angular_acceleration", "angular_jerk")
    return motion(*(float(columns[name][item]) for name in names))


def pivot_paths(columns: Columns, item: int) -> tuple[Polynomial, Polynomial]:
    """Return x and y of the pivot over time, px: it is what moves along the trajectory."""
    names = ("position", "velocity", "acceleration", "jerk")
    x, y = (motion(*(float(columns[name][item][axis]) for name in names)) for axis in range(2))
    return x + float(columns["pivot"][item][0]), y + float(columns["pivot"][item][1])


def pose(columns: Columns, item: int, t: float) -> tuple[NDArray[Any], float]:
    """Return the centre (x, y) in px and the angle of an object at time t: the arm turns with the object."""
    angle = angle_path(columns, item)
    pivot = np.array([path(t) for path in pivot_paths(columns, item)])
    arm_at_start = -np.asarray(columns["pivot"][item], np.float64)
    return pivot + turn(angle(t) - angle(0.0)) @ arm_at_start, float(angle(t))
