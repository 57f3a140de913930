"""What a store knows of its sequences beside the frames, as kinematic experts learn from it."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import torch
from torch import Tensor

CLEAN: Final = "clean"
MASK: Final = "mask"
POINTS: Final = ("position", "pivot")
TURNING: Final = (MASK, *POINTS, "angular_velocity", "angular_acceleration", "angular_jerk")
"""Arrays that say how each pixel turns."""


class Turning(NamedTuple):
    """
    How each pixel of an object turns.

    velocity : (batch, 1, y, x), rad/frame, clockwise on screen
    acceleration : (batch, 1, y, x), rad/frame^2
    arm : (batch, 2, y, x), px, from the pivot to the pixel
    known : (batch, 1, y, x), 1 on objects, 0 on background, where the others mean nothing
    """

    velocity: Tensor
    acceleration: Tensor
    arm: Tensor
    known: Tensor


def turning(arrays: Mapping[str, Tensor], time: int) -> Turning:
    """
    Return how each pixel turns at a time, from the mask and the parameters of the objects.

    Parameters
    ----------
    arrays : those of `TURNING`, (batch, ...) as stored
    time : t, frame
    """
    mask = arrays[MASK][:, time].long()
    front = (mask - 1).clamp(min=0).flatten(1)  # (batch, y * x), index of the object
    jerk, acceleration = arrays["angular_jerk"], arrays["angular_acceleration"]
    velocity = arrays["angular_velocity"] + acceleration * time + jerk * (time**2 / 2)
    pivot = arrays["position"] + arrays["pivot"] - 0.5  # px count from 0 at their centres
    y, x = mask.shape[1:]

    def of_front(values: Tensor) -> Tensor:
        return values.gather(1, front).view(-1, 1, y, x)

    columns, rows = torch.arange(x, device=mask.device), torch.arange(y, device=mask.device)[:, None]
    arm = torch.cat((columns - of_front(pivot[..., 0]), rows - of_front(pivot[..., 1])), 1)
    return Turning(
        of_front(velocity).float(),
        of_front(acceleration + jerk * time).float(),
        arm.float(),
        (mask > 0)[:, None].float(),
    )
