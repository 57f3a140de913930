"""How well kinematic experts know the motion of objects: their estimates against the store's parameter table."""

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from schemas.store import PROPERTY_BITS
from trainer.data.stores import SequenceStore
from trainer.models.kinematic import KinematicRotation, KinematicTranslation
from trainer.models.stmoe import STMoE

MASK: Final = "mask"
ARRAYS: Final = (
    *(MASK, "property", "velocity", "acceleration", "jerk"),
    *("angular_velocity", "angular_acceleration", "angular_jerk"),
)
"""What is needed of a store."""
PLACES: Final = ("position", "pivot")
"""What is needed beside to know how each pixel moves."""
LEAST: Final = 4
"""Pixels of an object that are to be seen for it to count."""


Moving = KinematicTranslation | KinematicRotation


def kinematic_experts(network: STMoE) -> dict[str, Moving]:
    """Return the experts of a network that estimate motion, by name."""
    return {name: expert for name, expert in network.experts.items() if isinstance(expert, Moving)}


class MotionErrors:
    """
    Compare the motion of objects with the truth, at the newest input frame.

    An object counts for an expert where the property of its kind acts on it and it is seen; its estimate is the mean
    over its pixels there.

    Parameters
    ----------
    network : some of whose experts are kinematic
    input_frames : l
    """

    def __init__(self, network: STMoE, input_frames: int) -> None:
        self._experts = kinematic_experts(network)
        self._time = input_frames - 1
        self._pairs: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in self._experts}

    @staticmethod
    def known(network: STMoE, store: SequenceStore) -> bool:
        """Return whether a network estimates motion and a store knows the truth."""
        return bool(kinematic_experts(network)) and all(name in store for name in ARRAYS)

    def update(self, inputs: Tensor, truth: Mapping[str, Tensor]) -> None:
        """
        Count a batch of sequences.

        Parameters
        ----------
        inputs : (batch, time, 1, y, x), the l input frames, in [0, 1]
        truth : the `ARRAYS` of these sequences, as stored
        """
        mask = truth[MASK][:, self._time]
        for name, expert in self._experts.items():
            estimated, true, bit = _motions(expert, inputs, truth, self._time)
            for number in range(true.shape[1]):
                pixels = (mask == number + 1)[:, None]
                counts = pixels.sum((2, 3))
                mean = (estimated * pixels).sum((2, 3)) / counts.clamp(min=1)
                kept = (counts[:, 0] >= LEAST) & (truth["property"][:, number].int() & bit > 0)
                self._pairs[name].append((mean[kept].double().cpu(), true[kept, number].double().cpu()))

    def summary(self) -> dict[str, dict[str, Any]]:
        """
        Return the errors by expert, ready for JSON.

        Returns
        -------
        quantity and units; objects, how many were counted; error, the root of the mean squared length of the error;
        usual, that of the truth itself, which is the error of saying that nothing moves; None where nothing was counted
        """
        return {name: _entry(self._experts[name], pairs) for name, pairs in self._pairs.items()}


def true_motion(truth: Mapping[str, Tensor], time: int) -> Tensor:
    """
    Return how the object in front moves at each pixel, (batch, component, y, x), px/frame; 0 on background.

    Parameters
    ----------
    truth : `ARRAYS` and `PLACES`, (batch, ...) as stored
    time : t, frame
    """
    mask = truth[MASK][:, time].long()
    front = (mask - 1).clamp(min=0).flatten(1)
    y, x = mask.shape[1:]
    q, v, a, j = (truth[name] for name in ("position", "velocity", "acceleration", "jerk"))
    velocity = v + a * time + j * (time**2 / 2)
    pivot = q + v * time + a * (time**2 / 2) + j * (time**3 / 6) + truth["pivot"] - 0.5  # px count from their centres
    turning = _angular_velocity(truth, time)

    def of_front(values: Tensor) -> Tensor:
        return values.gather(1, front).view(-1, 1, y, x)

    right = torch.arange(x) - of_front(pivot[..., 0])
    down = torch.arange(y)[:, None] - of_front(pivot[..., 1])
    w = of_front(turning)
    moved = torch.cat((of_front(velocity[..., 0]) - w * down, of_front(velocity[..., 1]) + w * right), 1)
    return (moved * (mask > 0)[:, None]).float()


def _angular_velocity(truth: Mapping[str, Tensor], time: int) -> Tensor:
    velocity, acceleration, jerk = (truth[f"angular_{name}"] for name in ("velocity", "acceleration", "jerk"))
    return velocity + acceleration * time + jerk * (time**2 / 2)


def _motions(expert: Moving, inputs: Tensor, truth: Mapping[str, Tensor], time: int) -> tuple[Tensor, Tensor, int]:
    """Return estimates, (batch, component, y, x), the truth, (batch, object, component), and its property's bit."""
    motion = expert.estimate(inputs)
    if isinstance(expert, KinematicTranslation):
        true = truth["velocity"] + truth["acceleration"] * time + truth["jerk"] * (time**2 / 2)
        return motion.velocity, true, PROPERTY_BITS["translation"]
    return motion.velocity, _angular_velocity(truth, time)[..., None], PROPERTY_BITS["rotation"]


def _entry(expert: Moving, pairs: list[tuple[Tensor, Tensor]]) -> dict[str, Any]:
    moves = isinstance(expert, KinematicTranslation)
    estimated, true = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return {
        "quantity": "velocity" if moves else "angular velocity",
        "units": "px/frame" if moves else "rad/frame",
        "objects": len(true),
        "error": _length(estimated - true),
        "usual": _length(true),
    }


def _length(vectors: Tensor) -> float | None:
    """Return the root of the mean squared length of (object, component) vectors."""
    return float(vectors.square().sum(1).mean().sqrt()) if len(vectors) else None
