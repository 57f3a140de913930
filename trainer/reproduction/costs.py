"""What a run will take before it is run: its parameters, counted, and its CPU seconds, estimated from measurements."""

import math
from typing import Final

import torch

from schemas.run import ALL, RunConfig, Scale
from trainer.training.networks import network_of
from trainer.training.phases import Phase, phases_of

START: Final = 5.0
"""Seconds until a process has loaded PyTorch."""
SEQUENCE: Final[dict[Scale, dict[str, float]]] = {
    "small": {
        "mim": 0.0145,
        "addl": 0.0068,
        "kinematic-translation": 0.0027,
        "kinematic-rotation": 0.005,
        "kinematic-intensity": 0.0017,
        "gates": 0.012,
    },
    "paper": {
        "mim": 0.021,
        "addl": 0.003,
        "kinematic-translation": 0.003,
        "kinematic-rotation": 0.003,
        "kinematic-intensity": 0.003,
        "gates": 0.001,
    },
}
"""Seconds that a training sequence takes in an expert of each kind, and in the gates. Small: measured on one core of an
AMD EPYC that computes in bf16, 32 px, MIM of 16 channels. Paper: models.md 7.1, one GPU at 25 TFLOP/s, 128 px, MIM of
64."""
WIDTH: Final[dict[Scale, tuple[int, float]]] = {"small": (16, 1.3), "paper": (64, 2.0)}
"""Channels of that MIM, and the power of their number with which its time grows."""
GATES_ALONE: Final = 0.6
"""Of a joint step's seconds that a step of the gates takes."""
RENDERED: Final = 4e-8
"""Seconds a pixel of a rendered sequence with its truth."""
FORECAST: Final = 0.5
"""Of a training sequence's seconds that its forecast alone takes."""


def parameters_of(config: RunConfig) -> int:
    """
    Return the parameters of the network that a run ends with.

    Raises
    ------
    InputError
        there is nothing to learn from.
    """
    with torch.device("meta"):
        network = network_of(config, phases_of(config)[-1])
    return sum(parameter.numel() for parameter in network.parameters())


def seconds_of_training(config: RunConfig) -> float:
    """Estimate the CPU seconds of all phases of a run, none of which stops early (on the GPU at the scale `paper`)."""
    return START + sum(phase.budget.steps * phase.budget.batch * _seconds(config, phase) for phase in phases_of(config))


def seconds_of_evaluation(config: RunConfig, sequences: int) -> float:
    """
    Estimate the CPU seconds of an evaluation.

    Parameters
    ----------
    sequences : of the test split
    """
    return START + FORECAST * sequences * _seconds(config, phases_of(config)[-1])


def seconds_of_rendering(sequences: int, frames: int, side: int) -> float:
    """
    Estimate the CPU seconds of a render.

    Parameters
    ----------
    sequences, frames : how many, and of how many frames each
    side : of a frame, px
    """
    return START + RENDERED * sequences * frames * side**2


def _seconds(config: RunConfig, phase: Phase) -> float:
    """Return what a sequence takes in a step of a phase."""
    seconds = SEQUENCE[config.scale]
    channels, power = WIDTH[config.scale]
    kinds = {ALL: "mim"} | config.experts
    wider = {"mim": math.pow(config.model.mim.hidden / channels, power)}
    experts = sum(seconds[kinds[name]] * wider.get(kinds[name], 1.0) for name in phase.experts)
    share = GATES_ALONE if phase.stage == "gates" else 1.0
    weighs = phase.gated and len(phase.experts) > 1 and config.model.attention in ("pixelwise", "uniform")
    return share * (experts + (seconds["gates"] if weighs else 0.0))
