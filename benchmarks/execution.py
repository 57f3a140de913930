"""
What bf16, torch.compile and channels-last bring to a training step, as reasons for the defaults.

At scale small on the CPU; at both scales on the CUDA device where there is one. `--compiled 1` takes many minutes more.
"""

import argparse
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from timing import Row, arguments, interleaved, report, spread

from schemas.run import PROPERTIES, RunConfig, Scale
from trainer.training.draws import draw
from trainer.training.networks import network_of, trainable
from trainer.training.objectives import Trainee
from trainer.training.phases import named

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda" if CUDA else "cpu")
SIDES: dict[Scale, int] = {"small": 32, "paper": 128} if CUDA else {"small": 32}
"""Of a frame at each scale, px."""
PHASES = {"decoder": "MIM on all synthetic data", "joint": "the whole STMoE-Id"}


@dataclass(frozen=True)
class Way:
    """A way to compute a step."""

    precision: str = "fp32"
    compiled: bool = False
    channels_last: bool = False


WAYS = {
    "fp32": Way(),
    "bf16": Way("bf16"),
    "fp32, channels-last": Way(channels_last=True),
    "bf16, channels-last": Way("bf16", channels_last=True),
    "fp32, compiled": Way(compiled=True),
    "bf16, compiled": Way("bf16", compiled=True),
}


def main() -> None:
    """Time the steps of all ways in turn."""
    options = arguments(__doc__ or "", rounds=9, threads=1, compiled=0)
    os.environ.setdefault("TORCHINDUCTOR_FX_GRAPH_CACHE", "1")
    torch.set_num_threads(options.threads)
    ways = {name: way for name, way in WAYS.items() if options.compiled or not way.compiled}
    rows = [
        row
        for scale in SIDES
        for phase in PHASES
        for row in rows_of(scale, phase, ways, options.rounds, place(options))
    ]
    report(rows, options)


def place(options: argparse.Namespace) -> str:
    """Return what computes, as a row says it."""
    return torch.cuda.get_device_name() if CUDA else f"{options.threads} threads"


def rows_of(scale: Scale, phase: str, ways: dict[str, Way], rounds: int, where: str) -> list[Row]:
    """Return by how much each way is faster than fp32 in a phase."""
    seconds = interleaved({name: stepping(scale, phase, way) for name, way in ways.items()}, rounds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        Row(
            benchmark=f"a step in fp32 / {name}: {PHASES[phase]}, scale {scale}",
            measured=statistics.median(ratios),
            detail=f"{medians['fp32']:.4f} s / {medians[name]:.4f} s, quartiles {spread(ratios)}, {where}",
        )
        for name, values in seconds.items()
        if name != "fp32"
        for ratios in [[slow / fast for slow, fast in zip(seconds["fp32"], values, strict=True)]]
    ]


def stepping(scale: Scale, phase_name: str, way: Way) -> Callable[[int], object]:
    """Return a task that makes one step on frames of noise."""
    stores = {name: f"{name}.zarr" for name in PROPERTIES}
    config = RunConfig.parse(
        {"scale": scale, "schedule": {"warm_start": True}, "data": {"synthetic": stores, "real": "real.zarr"}}, ""
    )
    phase = named(config, phase_name)
    network = network_of(config, phase).to(DEVICE)
    trained = list(trainable(network, phase).values())
    if way.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainee = Trainee(network, config, phase)
    compute = torch.compile(trainee) if way.compiled else trainee
    optimiser = torch.optim.Adam(trained, 1e-4)
    frames = config.data.input_frames + config.data.horizon
    shape = (phase.budget.batch, frames, 1, SIDES[scale], SIDES[scale])
    clips = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(DEVICE)
    draws = draw(0, phase_name, 0, steps=1, batch=len(clips), frames=frames).to(DEVICE)

    def step(_number: int) -> None:
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=way.precision == "bf16"):
            loss, _ = compute(clips, draws)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if CUDA:
            torch.cuda.synchronize()

    return step


if __name__ == "__main__":
    main()
