"""Where a process computes: its device, its rank among the processes that torchrun started, and what they share."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from schemas.errors import InputError

TIMEOUT = timedelta(minutes=10)
"""After which a rank that waits for another gives up."""


@dataclass(frozen=True)
class Place:
    """One process of a run."""

    device: torch.device
    rank: int = 0
    world: int = 1
    """Processes that share every batch."""

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def wrapped(self, module: nn.Module) -> nn.Module:
        """Return a module whose gradients are averaged over all processes."""
        if self.world == 1:
            return module
        self.barrier()
        # A static graph may leave out parameters: MIM-N has no past to look at in the forecast of one frame from two.
        ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids, static_graph=True)

    def summed(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes; raises InputError where one of them has ended."""
        if self.world > 1:
            with _all_there():
                distributed.all_reduce(values)
        return values

    def mean(self, values: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the mean of numbers over all processes, by name."""
        summed = self.summed(torch.stack([value.detach().double() for value in values.values()]))
        return dict(zip(values, (summed / self.world).tolist(), strict=True))

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set in any process."""
        if self.world == 1:
            return flag
        return bool(self.summed(torch.tensor(float(flag), device=self.device)) > 0)

    def barrier(self) -> None:
        """Wait for all processes; raises InputError where one of them has ended."""
        if self.world > 1:
            with _all_there():
                distributed.barrier()


@contextmanager
def placed(device: str) -> Iterator[Place]:
    """
    Join the processes that torchrun started, or stand alone; leave them at the end.

    Parameters
    ----------
    device : auto (CUDA where there is one), cpu or cuda

    Raises
    ------
    InputError
        CUDA is asked for and absent.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = device_of(device, int(os.environ.get("LOCAL_RANK", "0")))
    if world == 1:
        yield Place(chosen)
        return
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=TIMEOUT)
    try:
        yield Place(chosen, rank, world)
    finally:
        distributed.destroy_process_group()


@contextmanager
def _all_there() -> Iterator[None]:
    """Say in one line that another process has ended, which has said why."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            "another process of this run has ended and says why; when that is mended, the same command continues"
        ) from error


def device_of(asked: str, local_rank: int = 0) -> torch.device:
    """
    Return the device that is asked for: auto (CUDA where there is one), cpu or cuda.

    Parameters
    ----------
    local_rank : of this process on its machine; each has a CUDA device of its own

    Raises
    ------
    InputError
        CUDA is asked for and absent, or there are fewer devices than processes.
    """
    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        raise InputError("--device is cuda and no CUDA device is found; give --device cpu, or a CUDA build of torch")
    if asked == "cpu" or not available:
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise InputError(
            f"local rank {local_rank} has no CUDA device of its own, there are {torch.cuda.device_count()}; "
            "give torchrun --nproc-per-node that many"
        )
    return torch.device("cuda", local_rank)
