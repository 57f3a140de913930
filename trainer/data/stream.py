"""Stores as a stream of batches: seeded, shuffled, resumable, and the same for any number of workers and ranks."""

from collections.abc import Generator, Iterator, Sequence
from typing import Final, Literal

import torch

from schemas.errors import InputError
from trainer.data.batches import Batch
from trainer.data.prefetch import on_device
from trainer.data.reader import Reader, Source

OnDamage = Literal["stop", "skip"]

CPU: Final = torch.device("cpu")


def stream(
    sources: Sequence[Source],
    *,
    frames: int,
    batch: int,
    seed: int,
    start: tuple[int, int] = (0, 0),
    rank: int = 0,
    world: int = 1,
    arrays: Sequence[str] = (),
    on_damage: OnDamage = "stop",
    workers: int = 0,
    device: torch.device = CPU,
) -> Generator[Batch]:
    """
    Yield shuffled batches of the union of some stores, epoch after epoch without end.

    Blocks are read ahead in the background; all that is left to do for a batch is to copy its sequences. Every sequence
    appears once an epoch, but for the last ones, which do not fill a batch: others in every epoch. The batches are a
    function of the sources, batch, seed and position alone; the batches of all ranks, put together, are those of one
    process. Close the iterator to end what reads ahead.

    Parameters
    ----------
    sources : one or more; their frames are of one size and type
    frames : first frames of each sequence to take, input frames + horizon
    batch : sequences of a batch, over all ranks
    seed : of the order, 0 .. 2**64 - 1
    start : (epoch, batch) to begin with, e.g. `Batch.following` of the last one
    rank, world : which of how many processes this is
    arrays : further arrays to take along, e.g. clean, mask, position
    on_damage : stop, or skip what is damaged: each damaged sequence is replaced by the next sound one of its block, so
        that no batch is smaller and no position moves
    workers : processes that read; 0 for threads of this one, which is faster for files (benchmarks/stream.py)
    device : where the arrays are to be

    Raises
    ------
    DamagedStoreError
        a chunk is missing or fails its checksum (while iterating); the message names store, array and chunk.
    InputError
        sources do not fit each other or what is asked, hold what is no intensity, or cannot be read (the last two while
        iterating).
    """
    _require_shares(batch, world)
    reader = Reader(sources, frames, arrays, seed, skip=on_damage == "skip")
    whole = reader.order.total // batch
    if not whole:
        paths = ", ".join(source.store.path for source in sources)
        raise InputError(
            f"{paths}: {reader.order.total} sequences do not fill a batch of {batch}; give a smaller batch"
        )
    batches = reader.batches(_endless(start, whole), batch, rank, world, workers, pin=device.type == "cuda")
    return on_device(batches, device)


def ordered(
    sources: Sequence[Source],
    *,
    frames: int,
    batch: int,
    rank: int = 0,
    world: int = 1,
    arrays: Sequence[str] = (),
    on_damage: OnDamage = "stop",
    workers: int = 0,
    device: torch.device = CPU,
) -> Generator[Batch]:
    """
    Yield every sequence once, store by store and in their order, as for validation; the last batch may be smaller.

    Parameters
    ----------
    on_damage : stop, or skip what is damaged: its batch is smaller
    sources, frames, batch, rank, world, arrays, workers, device : as for `stream`; rank r of R takes every R-th
        sequence

    Raises
    ------
    DamagedStoreError, InputError
        as `stream`
    """
    _require_shares(batch, world)
    reader = Reader(sources, frames, arrays, None, skip=on_damage == "skip")
    numbers = ((0, number) for number in range(-(-reader.order.total // batch)))
    batches = reader.batches(numbers, batch, rank, world, workers, pin=device.type == "cuda")
    return on_device(batches, device)


def _endless(start: tuple[int, int], batches: int) -> Iterator[tuple[int, int]]:
    """Yield (epoch, number) from a position on, where an epoch has so many batches."""
    epoch, number = start
    while True:
        for following in range(number, batches):
            yield epoch, following
        epoch, number = epoch + 1, 0


def _require_shares(batch: int, world: int) -> None:
    if batch % world:
        raise InputError(f"a batch of {batch} cannot be shared by {world} processes; give a multiple of {world}")
