"""The next batch on its way to the GPU, on a CUDA stream of its own, while the present one is learnt from."""

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing

import torch

from trainer.data.batches import Batch


def on_device(batches: Generator[Batch], device: torch.device) -> Generator[Batch]:
    """
    Yield batches on a device; on CUDA the next one is copied while the present one is in use.

    Parameters
    ----------
    batches : in pinned memory, for CUDA; closed with this generator
    """
    with closing(batches):
        if device.type == "cuda":
            yield from _copied(batches, device)
        else:
            yield from batches


def _copied(batches: Iterator[Batch], device: torch.device) -> Generator[Batch]:
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call] # torch has no type for it
    waiting: deque[tuple[Batch, torch.cuda.Event]] = deque()
    for batch in batches:
        with torch.cuda.stream(side):
            copy = batch.to(device)
            done = torch.cuda.Event()  # type: ignore[no-untyped-call] # torch has no type for it
            done.record(side)
        waiting.append((copy, done))
        if len(waiting) > 1:
            yield _handed_over(*waiting.popleft(), device)
    while waiting:
        yield _handed_over(*waiting.popleft(), device)


def _handed_over(batch: Batch, copied: torch.cuda.Event, device: torch.device) -> Batch:
    """Let the stream that computes wait for the copy, and keep the copy's memory while that stream uses it."""
    computing = torch.cuda.current_stream(device)
    computing.wait_event(copied)
    for tensor in batch.arrays.values():
        tensor.record_stream(computing)
    return batch
