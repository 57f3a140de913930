"""In which order sequences are seen: shuffled in blocks, a pure function of seed, epoch and position."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

LANES = 8
"""Blocks that are read at once: neighbours in a batch come from as many places."""


class Place(NamedTuple):
    """One sequence of an epoch."""

    block: int
    within: int
    """Position in the block's own order."""


class Order:
    """
    The order of the epochs of a stream.

    Sequences lie in blocks, which are read whole. An epoch is a tape: all blocks, shuffled, one after the other, and
    shuffled in themselves. It is cut into 8 lanes of the same length, give or take one, and position p of the epoch is
    entry p // 8 of lane p % 8. So every sequence appears once, whatever the blocks' sizes; a batch has sequences of 8
    blocks; and rank r of R, which takes the positions p with p % R = r, reads only the blocks of its own lanes where R
    divides 8. The only list is that of the blocks.

    Parameters
    ----------
    lengths : (block,) sequences in each block, >= 0
    seed : of the shuffle, 0 .. 2**64 - 1; None: the order of the store, in one lane
    """

    def __init__(self, lengths: Indices, seed: int | None) -> None:
        self.seed = seed
        self.total = int(lengths.sum())
        """Sequences of an epoch."""
        self._lengths = lengths
        self._lanes = 1 if seed is None else LANES
        ends = [0]
        for lane in range(self._lanes):
            ends.append(ends[-1] + (self.total - lane + self._lanes - 1) // self._lanes)
        self._lane_ends = ends  # on the tape; of lane l from entry l to entry l + 1
        self._tape = lru_cache(2)(self._make_tape)

    def places(self, epoch: int, positions: range) -> list[Place]:
        """Return what stands at some positions of an epoch."""
        tape = self._tape(epoch)
        lane_ends, lanes = self._lane_ends, self._lanes
        entries = [lane_ends[position % lanes] + position // lanes for position in positions]
        slots = [bisect_right(tape.starts, entry) - 1 for entry in entries]
        return [Place(tape.blocks[slot], entry - tape.starts[slot]) for slot, entry in zip(slots, entries, strict=True)]

    def within(self, epoch: int, block: int) -> Indices:
        """Return a block's own order in an epoch: a permutation of 0 .. length-1."""
        length = int(self._lengths[block])
        return np.arange(length) if self.seed is None else _permutation(length, self.seed, epoch, block + 1)

    def ahead(self, epoch: int, position: int, step: int = 1) -> list[int]:
        """
        Return the blocks that are needed from a position on: the present one of every lane, then the next of each.

        The next of a lane at its end is its first of the next epoch, where there is one.

        Parameters
        ----------
        epoch, position : of the first sequence, < total
        step : only every step-th position from it on is of interest
        """
        tape = self._tape(epoch)
        present, following = [], []
        for first in range(position, position + step * self._lanes, step):
            lane = first % self._lanes
            slot = tape.slot(self._entry(first)) if first < self.total else len(tape.starts)
            if first < self.total:
                present.append(tape.blocks[slot])
            if slot + 1 < len(tape.starts) and tape.starts[slot + 1] < self._lane_ends[lane + 1]:
                following.append(tape.blocks[slot + 1])
            elif self.seed is not None and self._lane_ends[lane] < self._lane_ends[lane + 1]:
                after = self._tape(epoch + 1)
                following.append(after.blocks[after.slot(self._lane_ends[lane])])
        return list(dict.fromkeys(present + following))

    def _entry(self, position: int) -> int:
        """Return where on the tape a position lies."""
        return self._lane_ends[position % self._lanes] + position // self._lanes

    def _make_tape(self, epoch: int) -> "_Tape":
        some = np.flatnonzero(self._lengths)
        blocks = some if self.seed is None else some[_permutation(len(some), self.seed, epoch, 0)]
        starts = np.cumsum(self._lengths[blocks]) - self._lengths[blocks]
        return _Tape(blocks.tolist(), starts.tolist())


@dataclass(frozen=True)
class _Tape:
    """The blocks of one epoch in their order, and where on the tape each begins."""

    blocks: list[int]
    starts: list[int]

    def slot(self, entry: int) -> int:
        return bisect_right(self.starts, entry) - 1


def _permutation(length: int, seed: int, epoch: int, purpose: int) -> Indices:
    """Shuffle 0 .. length-1 by as many words of Philox 4x64, whose stream is fixed for all versions of NumPy."""
    key, counter = np.array([seed, 0], np.uint64), np.array([0, epoch, purpose, 0], np.uint64)
    words = np.random.Philox(key=key, counter=counter).random_raw(length)
    return np.argsort(words, kind="stable")
