"""Where an object is at frame t: q(t) = q0 + q' t + q'' t^2/2 + q''' t^3/6 for its position and its angle."""

import math

from numba import njit

from datagen.rendering.parameters import (
    ACCELERATION,
    ANGLE,
    ANGULAR_ACCELERATION,
    ANGULAR_JERK,
    ANGULAR_VELOCITY,
    JERK,
    PIVOT,
    POSITION,
    VELOCITY,
)


@njit(nogil=True, cache=True)
def evaluate(q0, q1, q2, q3, t):
    """Return q(t) from q and its three derivatives at t = 0."""
    return q0 + t * (q1 + t * (q2 / 2.0 + t * (q3 / 6.0)))


@njit(nogil=True, cache=True)
def rebase(q0, q1, q2, q3, t):
    """Return q and its derivatives at t from those at 0: the same motion seen from another moment."""
    return evaluate(q0, q1, q2, q3, t), q1 + t * (q2 + t * (q3 / 2.0)), q2 + t * q3, q3


@njit(nogil=True, cache=True)
def pose(row, t):
    """
    Place an object.

    The trajectory moves the pivot; the object turns about it. Without an orbit the pivot is the centre.

    Parameters
    ----------
    row : parameter row of the object
    t : frame, from 0; any real number

    Returns
    -------
    x, y of the centre in px, and the angle in rad, clockwise on screen
    """
    x = evaluate(row[POSITION], row[VELOCITY], row[ACCELERATION], row[JERK], t)
    y = evaluate(row[POSITION + 1], row[VELOCITY + 1], row[ACCELERATION + 1], row[JERK + 1], t)
    angle = evaluate(row[ANGLE], row[ANGULAR_VELOCITY], row[ANGULAR_ACCELERATION], row[ANGULAR_JERK], t)
    arm_x, arm_y = row[PIVOT], row[PIVOT + 1]
    if arm_x != 0.0 or arm_y != 0.0:
        turned = angle - row[ANGLE]
        cosine, sine = math.cos(turned), math.sin(turned)
        x += arm_x - (cosine * arm_x - sine * arm_y)
        y += arm_y - (sine * arm_x + cosine * arm_y)
    return x, y, angle
