"""Batches gathered from blocks of several stores, which are read ahead of need."""

import logging
import math
import mmap
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from schemas.errors import DamagedStoreError, InputError
from trainer.data.batches import Batch
from trainer.data.blocks import Block, Request, cut, has_time, tensor_dtype
from trainer.data.order import Order
from trainer.data.splits import Selection
from trainer.data.stores import FRAMES, SequenceStore
from trainer.data.workers import Reading, Workers, reading

_NONE: Final = -1
"""In place of a sequence that is damaged and that no other replaces."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """What a stream takes from a store."""

    store: SequenceStore
    selection: Selection
    """Not empty."""


class Reader:
    """
    The union of some stores, in the order of a seed.

    Parameters
    ----------
    sources : one or more
    frames : first frames of each sequence to take
    arrays : further arrays to take along
    seed : of the order; None for that of the stores
    skip : leave out what is damaged instead of raising

    Raises
    ------
    InputError
        a store has too few frames or lacks an array, or an array is of another shape or type than in the first store.
    """

    def __init__(
        self, sources: Sequence[Source], frames: int, arrays: Sequence[str], seed: int | None, *, skip: bool
    ) -> None:
        self._sources = sources
        self._frames = frames
        self._layouts = {name: _layout(sources, name, frames) for name in dict.fromkeys((FRAMES, *arrays))}
        self._skip = skip
        pieces = [cut(number, source.store, source.selection) for number, source in enumerate(sources)]
        self._spans = [span for spans, _ in pieces for span in spans]
        self.order = Order(np.concatenate([lengths for _, lengths in pieces]), seed)
        self._reading: dict[int, Reading] = {}
        self._hands: dict[int, _Hand] = {}
        self._warned: set[str] = set()

    def batches(
        self, numbers: Iterator[tuple[int, int]], batch: int, rank: int, world: int, workers: int, *, pin: bool
    ) -> Generator[Batch]:
        """
        Yield batches by (epoch, number); one of which nothing is left is passed over.

        Parameters
        ----------
        batch, rank, world, workers : as for `stream`
        pin : make them in page-locked memory, from which a GPU copies by itself
        """
        with reading(workers) as pool:
            for epoch, number in numbers:
                first, following = number * batch + rank, (number + 1) * batch + rank
                places = self.order.places(epoch, range(first, min(following, self.order.total), world))
                blocks = list(dict.fromkeys(place.block for place in places))
                if not all(block in self._hands and self._hands[block].epoch == epoch for block in blocks):
                    self._read(pool, blocks + self.order.ahead(epoch, following, world))
                    self._hands |= {block: self._hand(pool, epoch, block) for block in blocks}
                picked = [(self._hands[block], self._hands[block].sequences[within]) for block, within in places]
                sound = [(hand, sequence) for hand, sequence in picked if sequence != _NONE]
                if sound:
                    yield self._gathered(sound, epoch, number, pin=pin)

    def _read(self, pool: Workers, wanted: list[int]) -> None:
        """Begin to read blocks, the first ones first; forget the others."""
        for number in self._reading.keys() - set(wanted):
            self._reading.pop(number).forget()
            self._hands.pop(number, None)
        for number in wanted:
            if number not in self._reading:
                self._reading[number] = pool.read(self._request(number))

    def _request(self, number: int) -> Request:
        span = self._spans[number]
        source = self._sources[span.source]
        rows = source.selection.within(span.start, span.stop)
        return Request(store=source.store, rows=rows, frames=self._frames, arrays=tuple(self._layouts), skip=self._skip)

    def _hand(self, pool: Workers, epoch: int, number: int) -> "_Hand":
        if number in self._hands and self._hands[number].epoch == epoch:
            return self._hands[number]
        block = self._block(pool, number)
        within = self.order.within(epoch, number)
        rows, sound = block.rows[within], block.sound[within]
        if not sound.all():
            if self.order.seed is None:
                rows = np.where(sound, rows, _NONE)
            elif sound.any():
                rows = _filled(rows, sound, len(within))
            else:
                number, block = self._next_sound(pool, number)
                rows = _filled(block.rows, block.sound, len(within))
        return _Hand(epoch, self._spans[number].source, block, rows.tolist())

    def _next_sound(self, pool: Workers, number: int) -> tuple[int, Block]:
        """Return the next block in which anything is undamaged."""
        count = len(self._spans)
        for step in range(1, count):
            after = (number + step) % count
            if after not in self._reading:
                self._reading[after] = pool.read(self._request(after))
            block = self._block(pool, after)
            if block.sound.any():
                return after, block
        raise DamagedStoreError(f"{self._paths[0]}: every sequence is damaged; get the store again")

    def _block(self, pool: Workers, number: int) -> Block:
        block = pool.block_of(self._reading[number])
        for line in block.damage:
            if line not in self._warned:
                self._warned.add(line)
                _log.warning("%s", line)
        return block

    def _gathered(self, picked: list[tuple["_Hand", int]], epoch: int, number: int, *, pin: bool) -> Batch:
        """Copy the sequences into new tensors."""
        arrays = {}
        for name, layout in self._layouts.items():
            tensor = _empty((len(picked), *layout.shape), layout.dtype, pin=pin)
            values = tensor.numpy()
            for row, (hand, sequence) in enumerate(picked):
                values[row] = hand.block.chunks[name].row(sequence)
            arrays[name] = tensor
        return Batch(
            arrays=arrays,
            index=torch.from_numpy(np.array([sequence for _, sequence in picked])),
            source=torch.from_numpy(np.array([hand.source for hand, _ in picked])),
            paths=self._paths,
            epoch=epoch,
            number=number,
        )

    @property
    def _paths(self) -> tuple[str, ...]:
        return tuple(source.store.path for source in self._sources)


@dataclass(frozen=True)
class _Hand:
    """A block whose sequences are handed out, in the order of one epoch."""

    epoch: int
    source: int
    block: Block
    sequences: list[int]
    """`_NONE` where one is damaged and nothing takes its place."""


class _Layout(NamedTuple):
    """One array of a batch."""

    shape: tuple[int, ...]
    """Of one sequence."""
    dtype: np.dtype[Any]


def _empty(shape: tuple[int, ...], dtype: np.dtype[Any], *, pin: bool) -> torch.Tensor:
    """Return a new tensor that begins with a page of memory, as page-locked ones do."""
    if pin:
        return torch.empty(shape, dtype=tensor_dtype(dtype), pin_memory=True)
    # Chunks lie up to 64 bytes behind the beginning of a page, and so do large arrays. A processor that copies to a
    # place a few bytes further in its page than the source takes loads for stores (4 KiB aliasing): half as fast.
    size = math.prod(shape) * dtype.itemsize
    room = np.empty(size + mmap.PAGESIZE, np.uint8)
    start = -room.__array_interface__["data"][0] % mmap.PAGESIZE
    return torch.from_numpy(room[start : start + size].view(dtype).reshape(shape))


def _filled(rows: NDArray[np.int64], sound: NDArray[np.bool_], length: int) -> NDArray[np.int64]:
    """Return so many rows, each the next sound one from its place on, around."""
    fine = np.flatnonzero(sound)
    return rows[fine[np.searchsorted(fine, np.arange(length) % len(rows)) % len(fine)]]


def _layout(sources: Sequence[Source], name: str, frames: int) -> _Layout:
    """Return what an array is like in a batch; raises InputError where the stores do not agree."""
    found: dict[_Layout, str] = {}
    for store in (source.store for source in sources):
        array = store[name]
        shape = array.shape[1:]
        if has_time(array):
            if shape[0] < frames:
                raise InputError(
                    f"{store.path} has sequences of {shape[0]} frames, {frames} are asked for; give another store, or "
                    "fewer input frames or a shorter horizon"
                )
            shape = (frames, *shape[1:])
        found.setdefault(_Layout(shape, array.dtype), store.path)
    if len(found) > 1:
        (first, path), (second, other) = list(found.items())[:2]
        raise InputError(
            f"{name} is {_words(second)} in {other} and {_words(first)} in {path}; give stores of one size and type"
        )
    return next(iter(found))


def _words(layout: _Layout) -> str:
    return f"{'x'.join(map(str, layout.shape)) or 'one number'} {layout.dtype}"
