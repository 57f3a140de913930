"""What bf16, torch.compile and channels-last bring to a training step at scale small, as reasons for the defaults."""

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from timing import Row, arguments, interleaved, report, spread

from schemas.run import PROPERTIES, RunConfig
from trainer.training.draws import draw
from trainer.training.networks import network_of, trainable
from trainer.training.objectives import Trainee
from trainer.training.phases import named

SIDE = 32
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
    options = arguments(__doc__ or "", rounds=9, threads=1)
    os.environ.setdefault("TORCHINDUCTOR_FX_GRAPH_CACHE", "1")
    torch.set_num_threads(options.threads)
    rows = [row for phase in PHASES for row in rows_of(phase, options.rounds, options.threads)]
    report(rows, options)


def rows_of(phase: str, rounds: int, threads: int) -> list[Row]:
    """Return by how much each way is faster than fp32 in a phase."""
    seconds = interleaved({name: stepping(phase, way) for name, way in WAYS.items()}, rounds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return [
        Row(
            benchmark=f"a step in fp32 / {name}: {PHASES[phase]}",
            measured=statistics.median(ratios),
            detail=f"{medians['fp32']:.3f} s / {medians[name]:.3f} s, quartiles {spread(ratios)}, {threads} threads",
        )
        for name, values in seconds.items()
        if name != "fp32"
        for ratios in [[slow / fast for slow, fast in zip(seconds["fp32"], values, strict=True)]]
    ]


def stepping(phase_name: str, way: Way) -> Callable[[int], object]:
    """Return a task that makes one step on frames of noise."""
    stores = {name: f"{name}.zarr" for name in PROPERTIES}
    config = RunConfig.parse({"data": {"synthetic": stores, "real": "real.zarr"}}, "")
    phase = named(config, phase_name)
    network = network_of(config, phase)
    trained = list(trainable(network, phase).values())
    if way.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainee = Trainee(network, config, phase)
    compute = torch.compile(trainee) if way.compiled else trainee
    optimiser = torch.optim.Adam(trained, 1e-4)
    frames = config.data.input_frames + config.data.horizon
    clips = torch.rand(phase.budget.batch, frames, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    draws = draw(0, phase_name, 0, steps=1, batch=len(clips), frames=frames)

    def step(_number: int) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=way.precision == "bf16"):
            loss, _ = compute(clips, draws)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


if __name__ == "__main__":
    main()
