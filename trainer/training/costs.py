"""What a phase will cost, before it is run: parameters, FLOPs and memory of a step, from shapes alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from schemas.run import RunConfig
from trainer.training.draws import draw
from trainer.training.networks import network_of, trainable
from trainer.training.objectives import Trainee
from trainer.training.phases import Phase

FLOAT_BYTES = 4
OPTIMISER_COPIES = 3
"""Of each trained parameter beside itself: gradient and Adam's two moments."""


@dataclass(frozen=True)
class Costs:
    """Of one phase."""

    phase: str
    parameters: int
    trained: int
    steps: int
    flops: int
    """Of a step's forward and backward pass; a multiply-add is two."""
    memory: int
    """Bytes at the peak of a step: parameters, gradients, optimiser, and what the backward pass needs."""


def as_table(costs: Sequence[Costs]) -> str:
    """Return the costs of phases as a table for a terminal."""
    header = ("phase", "parameters", "trained", "GFLOP a step", "steps", "peak memory")
    rows = [
        (
            item.phase,
            f"{item.parameters:,}",
            f"{item.trained:,}",
            f"{item.flops / 1e9:,.1f}",
            f"{item.steps:,}",
            f"{item.memory / 2**20:,.0f} MiB",
        )
        for item in costs
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in (header, *rows)]
    return "\n".join("  ".join(cells).rstrip() for cells in lines)


def costs_of(config: RunConfig, phase: Phase, height: int, width: int) -> Costs:
    """
    Compute the costs of a step on one device, from shapes alone: nothing is computed and no data are needed.

    Parameters
    ----------
    height, width : of a frame, px
    """
    frames = config.data.input_frames + config.data.horizon
    batch = phase.budget.batch
    with FakeTensorMode(allow_non_fake_inputs=True), _counted_activations() as activations:
        network = network_of(config, phase)
        trained = trainable(network, phase)
        trainee = Trainee(network, config, phase)
        draws = draw(config.seed, phase.name, 0, steps=1, batch=batch, frames=frames)
        with FlopCounterMode(display=False) as counter:
            with torch.autocast("cpu", torch.bfloat16, enabled=config.execution.precision == "bf16"):
                loss, _terms = trainee(torch.zeros(batch, frames, 1, height, width), draws)
            loss.backward()
        parameters = sum(parameter.numel() for parameter in network.parameters())
        learnt = sum(parameter.numel() for parameter in trained.values())
    held = FLOAT_BYTES * (parameters + OPTIMISER_COPIES * learnt)
    flops = counter.get_total_flops()
    return Costs(phase.name, parameters, learnt, phase.budget.steps, flops, held + activations.bytes)


@dataclass
class _Activations:
    """What autograd keeps for the backward pass; a storage kept twice counts once."""

    bytes: int = 0


@contextmanager
def _counted_activations() -> Iterator[_Activations]:
    counted, seen = _Activations(), set[int]()
    keep: list[Any] = []  # a storage that is gone could lend its address to another

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in seen:
            seen.add(id(storage))
            keep.append(storage)
            counted.bytes += prod(tensor.shape) * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield counted
