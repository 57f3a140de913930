"""What a run will cost, before it is run: parameters, FLOPs and memory of a step of every phase, from shapes alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from schemas.run import ALL, RunConfig
from trainer.data.objects import objects_at
from trainer.data.stores import open_store
from trainer.training.draws import draw
from trainer.training.networks import check_frames, network_of, trainable
from trainer.training.objectives import Trainee
from trainer.training.phases import DECODER, GATE, Phase, phases_of
from trainer.training.precision import precision_of
from trainer.training.truth import CLEAN, MASK, POINTS

FLOAT_BYTES = 4
OPTIMISER_COPIES = 3
"""Of each trained parameter beside itself: gradient and Adam's two moments."""
USUAL_SIDE = {"small": 32, "paper": 128}
"""Of a frame, px, where there is no store yet (models.md 7)."""


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


def frame_size(config: RunConfig, *, real: bool = False) -> tuple[int, int]:
    """
    Return height and width of the run's frames, px: those of its first store that is there, or what its scale is for.

    Parameters
    ----------
    real : whether the real store is the first

    Raises
    ------
    InputError
        a store is there and cannot be read.
    """
    stores = [*(synthetic.store for synthetic in config.data.synthetic.values()), config.data.real]
    for path in reversed(stores) if real else stores:
        if path is not None and objects_at(path).read("zarr.json") is not None:
            store = open_store(path)
            return store.height, store.width
    return USUAL_SIDE[config.scale], USUAL_SIDE[config.scale]


def costs_of_run(config: RunConfig, height: int, width: int, device: torch.device) -> list[Costs]:
    """
    Return the costs of a step of every phase on one device.

    Parameters
    ----------
    height, width : of a frame, px
    device : that computes, which decides what precision auto is

    Raises
    ------
    InputError
        there is nothing to learn from, or frames of this size fit no network.
    """
    check_frames(config, height, width)
    known: dict[tuple[object, ...], Costs] = {}
    found = []
    for phase in phases_of(config):
        alike = _what_costs(config, phase)
        if alike not in known:
            known[alike] = costs_of(config, phase, height, width, device)
        found.append(replace(known[alike], phase=phase.name, steps=phase.budget.steps))
    return found


def costs_of(config: RunConfig, phase: Phase, height: int, width: int, device: torch.device) -> Costs:
    """
    Compute the costs of a step on one device, from shapes alone: nothing is computed and no data are needed.

    Parameters
    ----------
    height, width : of a frame, px
    device : that computes, which decides what precision auto is
    """
    half = precision_of(config.execution.precision, device) == "bf16"
    frames = config.data.input_frames + config.data.horizon
    batch = phase.budget.batch
    with FakeTensorMode(allow_non_fake_inputs=True):
        network = network_of(config, phase)
        trained = trainable(network, phase)
        trainee = Trainee(network, config, phase)
        draws = draw(config.seed, phase.name, 0, steps=1, batch=batch, frames=frames)
        with (
            _Flops() as flops,  # type: ignore[no-untyped-call]
            _kept_for_backward(network) as kept,
            torch.autocast("cpu", torch.bfloat16, enabled=half),
        ):
            trainee(torch.zeros(batch, frames, 1, height, width), draws, _truth(phase, batch, frames, height, width))
        parameters = sum(parameter.numel() for parameter in network.parameters())
        learnt = sum(parameter.numel() for parameter in trained.values())
    held = FLOAT_BYTES * (parameters + OPTIMISER_COPIES * learnt)
    return Costs(phase.name, parameters, learnt, phase.budget.steps, flops.total, held + kept())


def _truth(phase: Phase, batch: int, frames: int, height: int, width: int) -> dict[str, Tensor]:
    """Return arrays in the shapes of those that the objective asks for."""
    shapes = {CLEAN: (frames, height, width), MASK: (frames, height, width), **dict.fromkeys(POINTS, (1, 2))}
    return {name: torch.zeros(batch, *shapes.get(name, (1,))) for name in phase.arrays}


def _what_costs(config: RunConfig, phase: Phase) -> tuple[object, ...]:
    """Return all in which the costs of two phases of a run can differ, their steps apart."""
    kinds = {ALL: "mim"} | config.experts
    experts = tuple((kinds[name], f"experts.{name}" in phase.trains) for name in phase.experts)
    decodes = config.model.kind == "stmoe-conv" and DECODER in phase.trains
    return (
        phase.objective,
        phase.arrays,
        phase.stage == "gates",
        experts,
        GATE in phase.trains,
        decodes,
        phase.budget.batch,
    )


class _Flops(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """
    Count the operations of products of two tensors, convolutions among them, and of their gradients.

    The gradient of a product with respect to either tensor costs what the product does. So the backward pass need not
    be run: the forward pass alone takes a third of the time of both under PyTorch's own counter, to the same number.
    """

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and count it."""
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func.overloadpacket)
        if count is not None:
            factors = [argument for argument in args if isinstance(argument, Tensor) and argument.dim() > 1]
            passes = 1 + sum(factor.requires_grad for factor in factors)
            self.total += passes * count(*args, **(kwargs or {}), out_val=result)
        return result


@contextmanager
def _kept_for_backward(network: nn.Module) -> Iterator[Callable[[], int]]:
    """Tell the bytes of what autograd keeps for the backward pass, beside the parameters; shared memory counts once."""
    parameters = [parameter.untyped_storage() for parameter in network.parameters()]
    seen = {id(storage): storage for storage in parameters}  # holds them: what is gone could lend its id to another
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in seen:
            kept[id(storage)] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield lambda: sum(storage.nbytes() for storage in kept.values())
