"""Which sequences of a store train, validate and test: its split where it has one, otherwise its first ones."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.store import SPLIT_VALUES
from trainer.data.stores import SequenceStore

Indices = NDArray[np.int64]
Split = Literal["train", "validation", "test"]

DEFAULT_SEQUENCES: Final = 10_000
"""Sequences used of a store without splits."""
VALIDATION_SHARE: Final = 0.05
"""Of them, the last that validate; at least one."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Some sequences of a store, ascending, as runs: what it costs does not grow with their number."""

    starts: Indices
    """(run,) first sequence of each run"""
    stops: Indices
    """(run,) behind the last sequence of each run; at most the next start"""

    @classmethod
    def of(cls, *runs: tuple[int, int]) -> "Selection":
        """Return the selection of runs (start, stop), ascending; empty ones are left out."""
        some = np.array([run for run in runs if run[0] < run[1]], np.int64).reshape(-1, 2)
        return cls(some[:, 0], some[:, 1])

    def __len__(self) -> int:
        """Return the number of sequences."""
        return int((self.stops - self.starts).sum())

    def first(self, count: int) -> "Selection":
        """Return the first `count` sequences, or all where there are fewer."""
        ends = np.cumsum(self.stops - self.starts)
        kept = int(np.searchsorted(ends, count)) + 1
        starts, stops = self.starts[:kept], self.stops[:kept].copy()
        stops[-1:] -= max(int(ends[kept - 1 : kept].sum()) - count, 0)
        return Selection(starts, stops)

    def within(self, start: int, stop: int) -> Indices:
        """Return the selected sequences among start .. stop-1."""
        first, last = np.searchsorted(self.stops, start, "right"), np.searchsorted(self.starts, stop, "left")
        runs = zip(self.starts[first:last].tolist(), self.stops[first:last].tolist(), strict=True)
        parts = [np.arange(max(a, start), min(b, stop)) for a, b in runs]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def counts(self, bounds: Indices) -> Indices:
        """Return how many sequences are selected between each two neighbours of ascending bounds."""
        before = np.concatenate([[0], np.cumsum(self.stops - self.starts)])
        run = np.searchsorted(self.starts, bounds, "right")  # runs that begin at the bound or before
        left_out = np.where(run > 0, np.maximum(self.stops[run - 1] - bounds, 0) if len(self.stops) else 0, 0)
        return np.diff(before[run] - left_out)


def select(store: SequenceStore, split: Split, sequences: int = DEFAULT_SEQUENCES) -> Selection:
    """
    Return the sequences of a split: as the store's column `split` says, or else of its first sequences, the last 5 %.

    Parameters
    ----------
    store : synthetic or real
    split : train, validation or test; a store without splits has none that test
    sequences : to use of a store without splits, >= 2

    Raises
    ------
    InputError
        there is no such sequence, or sequences of different splits share source frames.
    """
    selection = _split_of_column(store, split) if "split" in store else _split_of_first(store, split, sequences)
    if not len(selection):
        raise InputError(f"{store.path} has no sequence that is for {split}; give a store that has")
    return selection


def _split_of_first(store: SequenceStore, split: Split, sequences: int) -> Selection:
    used = min(sequences, len(store))
    validation = max(1, int(used * VALIDATION_SHARE))
    if used < 2:
        raise InputError(f"{store.path} has {len(store)} sequence and no splits; give a store of 2 or more")
    match split:
        case "train":
            return Selection.of((0, used - validation))
        case "validation":
            return Selection.of((used - validation, used))
        case "test":
            return Selection.of()


def _split_of_column(store: SequenceStore, split: Split) -> Selection:
    if store.rendered and store.spec.splits:  # says the same without reading, which counts for 2**40 sequences
        train, validation = store.spec.splits.train, store.spec.splits.validation
        ends = [0, train, train + validation, len(store)]
        run = list(pairwise(min(end, len(store)) for end in ends))[SPLIT_VALUES[split]]
        return Selection.of(run)
    column = store["split"].rows(0, len(store))
    if not np.isin(column, list(SPLIT_VALUES.values())).all():
        known = ", ".join(f"{value} ({name})" for name, value in SPLIT_VALUES.items())
        raise InputError(f"{store.path}: split holds {int(column.max())}; its values are {known}")
    _refuse_shared_frames(store, column)
    edges = np.flatnonzero(np.diff(column == SPLIT_VALUES[split], prepend=False, append=False))
    return Selection(edges[::2], edges[1::2])


def _refuse_shared_frames(store: SequenceStore, split: NDArray[Any]) -> None:
    """Raise InputError where windows of one source overlap and are of different splits."""
    if "source_file" not in store or "first_frame" not in store:
        return
    source, first = (store[name].rows(0, len(store)).astype(np.int64) for name in ("source_file", "first_frame"))
    order = np.lexsort((first, source))
    # Of overlapping windows of two splits, two that are neighbours in this order overlap too and are of two splits.
    before, after = order[:-1], order[1:]
    overlap = (source[before] == source[after]) & (first[after] - first[before] < store.frame_count)
    shared = np.flatnonzero(overlap & (split[before] != split[after]))
    if shared.size:
        a, b = int(before[shared[0]]), int(after[shared[0]])
        raise InputError(
            f"{store.path}: sequences {a} and {b} share frames of one source and are of different splits; prepare the "
            "store again with splits that do not overlap"
        )
