"""What kinematic experts estimate at every pixel, as maps with names and units."""

from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.models.kinematic import Intensity, Kinematic, Rotation, Translation
from trainer.models.stmoe import STMoE

Array = NDArray[np.float32]

COMPONENT, POWER = "component", "power"
"""Axes of maps: to the right and downwards; by the elapsed time and by its square."""


class Meaning(NamedTuple):
    """What a map holds."""

    long_name: str
    units: str
    axis: str | None = None
    """COMPONENT or POWER; None for a map of one number."""


_SPREAD: Final = Meaning("growth of the variance of the place", "px^2/frame, px^2/frame^2", POWER)
MEANINGS: Final[dict[type[Translation | Rotation | Intensity], dict[str, Meaning]]] = {
    Translation: {
        "velocity": Meaning("velocity", "px/frame", COMPONENT),
        "acceleration": Meaning("acceleration", "px/frame^2", COMPONENT),
        "spread": _SPREAD,
    },
    Rotation: {
        "velocity": Meaning("angular velocity, clockwise on screen", "rad/frame"),
        "acceleration": Meaning("angular acceleration, clockwise on screen", "rad/frame^2"),
        "arm": Meaning("way from the pivot", "px", COMPONENT),
        "spread": _SPREAD,
    },
    Intensity: {
        "growth": Meaning("logarithm of the factor of growth", "1/frame"),
        "spread": _SPREAD,
    },
}
"""By the fields of an estimate."""


class MotionMap(NamedTuple):
    """
    One map of every sequence.

    values : (sequence, y, x), or with an axis of two (sequence, axis, y, x)
    """

    values: Array
    meaning: Meaning


@torch.inference_mode()
def motion_maps(network: STMoE, inputs: Array, device: torch.device) -> dict[str, MotionMap]:
    """
    Estimate the motion at the newest real frame, in fp32, by expert and quantity, e.g. translation_velocity.

    Parameters
    ----------
    network : on the device, in eval mode; there are no maps of experts that are not kinematic
    inputs : (sequence, time, y, x), the l frames before the forecast, full scale 1
    device : where to compute
    """
    frames = torch.from_numpy(inputs)[:, :, None].to(device)
    maps: dict[str, MotionMap] = {}
    for name, expert in network.experts.items():
        if isinstance(expert, Kinematic):
            estimate = expert.estimate(frames)
            for quantity, meaning in MEANINGS[type(estimate)].items():
                values = getattr(estimate, quantity).float().cpu().numpy()
                maps[f"{name}_{quantity}"] = MotionMap(values if meaning.axis else values[:, 0], meaning)
    return maps
