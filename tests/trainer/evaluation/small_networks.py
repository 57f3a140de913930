"""A mixture whose forecasts can be computed by hand, and runs that nobody has trained."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from schemas.run import RunConfig
from trainer.models.decoder import IdentityDecoder
from trainer.models.stmoe import STMoE
from trainer.training.checkpoint import BEST, Checkpoint, Progress, save
from trainer.training.networks import network_of
from trainer.training.phases import phases_of

EXPERTS = ("translation", "rotation", "intensity")
INPUTS = 4
SHARES = (0.5, 0.25, 0.25)
"""Weights of the experts in the left half; in the right one they are reversed."""


class Move(nn.Module):
    """Move the newest frame by one px to the right."""

    def begin(self, inputs: Tensor) -> None:
        pass

    def step(self, frame: Tensor, state: None) -> tuple[Tensor, None]:
        return frame.roll(1, -1), state


class Turn(Move):
    """Turn the newest frame by half a turn."""

    def step(self, frame: Tensor, state: None) -> tuple[Tensor, None]:
        return frame.flip(-1, -2), state


class Fade(Move):
    """Halve the newest frame."""

    def step(self, frame: Tensor, state: None) -> tuple[Tensor, None]:
        return frame / 2, state


class Halves(nn.Module):
    """Weight the experts by SHARES, the other way round in the right half."""

    def forward(self, window: Tensor) -> Tensor:
        weights = torch.from_numpy(hand_made_weights(*window.shape[-2:]))
        return weights.log().expand(len(window), -1, -1, -1)


def hand_made_network() -> STMoE:
    """Return the mixture of Move, Turn and Fade."""
    experts = dict(zip(EXPERTS, (Move(), Turn(), Fade()), strict=True))
    return STMoE(experts, Halves(), IdentityDecoder(), input_frames=INPUTS).eval()


def hand_made_weights(height: int, width: int) -> NDArray[np.float32]:
    """Return what Halves gives, (expert, y, x)."""
    left = np.arange(width) < width // 2
    shares = np.array(SHARES, np.float32)[:, None]
    return np.broadcast_to(np.where(left, shares, shares[::-1])[:, None], (3, height, width)).copy()


def hand_made_forecast(inputs: NDArray[Any], horizon: int) -> NDArray[np.float32]:
    """Return the forecasts after (sequence, time, y, x), (sequence, horizon, y, x)."""
    weights, frame, frames = hand_made_weights(*inputs.shape[-2:]), inputs[:, -1], []
    for _ in range(horizon):
        parts = (np.roll(frame, 1, -1), frame[..., ::-1, ::-1], frame / 2)
        frame = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        frames.append(frame)
    return np.stack(frames, 1).astype(np.float32)


def write_untrained_run(run: Path, **fields: Any) -> RunConfig:
    """Write a run's configuration and, as its best, the network of its last phase as it was initialised."""
    small = {
        "mim": {"layers": 2, "hidden": 2, "patch": 2},
        "addl": {"width": 2, "stages": 2},
        "gating": {"channels": 2, "dilations": (1,), "reduction": 1, "head": 2},
    }
    stores = {name: f"{name}.zarr" for name in EXPERTS}
    data = {"synthetic": stores, "real": "real.zarr", "horizon": 3} | fields.pop("data", {})
    config = RunConfig.parse({"data": data, "model": small | fields.pop("model", {}), **fields}, "test")
    phase = phases_of(config)[-1]
    network = network_of(config, phase)
    run.mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    checkpoint = Checkpoint(config=config, phase=phase.name, progress=Progress(), network=network.state_dict())
    save(run / "checkpoints" / phase.name / BEST, checkpoint)
    return config
