"""The next batches while the present one is learnt from: made in a thread, copied to the GPU on a stream of its own."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import torch

from trainer.data.batches import Batch

Item = TypeVar("Item")


def ahead_of(items: Generator[Item], depth: int, device: torch.device) -> Generator[Item]:
    """
    Yield what a generator yields, while a thread already makes the next ones.

    Whatever the generator raises is raised here. When this generator is closed or cut off, the thread ends and the
    other generator is closed.

    Parameters
    ----------
    depth : items that may wait, >= 1
    device : that the thread's CUDA calls are for
    """
    prepare = (lambda: torch.cuda.set_device(device)) if device.type == "cuda" else None
    thread = ThreadPoolExecutor(1, "batches", prepare)
    try:
        waiting = deque(thread.submit(next, items, None) for _ in range(depth))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(thread.submit(next, items, None))
            yield item
    finally:
        thread.shutdown(cancel_futures=True)
        items.close()


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
