"""Which windows train, validate and test: no two splits share a frame, nor what their owners keep together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.errors import InputError
from schemas.recipe import Recipe, SplitBy
from schemas.store import SPLIT_VALUES
from trainer.data.splits import Split
from trainer.sources.windows import Run, Window, starts

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
FEWEST_SOURCES = len(SPLITS)
"""From which on each split has one."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Kept frames of a clip that follow each other without a gap."""

    clip: int
    run: Run
    source: str
    """What a split by source keeps together: the clip, or a sequence of an array."""
    split: Split | None
    """By the owners' rule."""


@dataclass(frozen=True, kw_only=True)
class Division:
    """Windows in the order of a store, and how they came into splits."""

    windows: tuple[Window, ...]
    by: SplitBy
    too_short: int
    """Segments that hold no window."""


def divide(segments: Sequence[Segment], recipe: Recipe) -> Division:
    """
    Cut segments into windows, each for one split.

    By the owners' rule; by source, given to the splits in a seeded order, by their number; or by time: the kept frames
    of every clip in three parts, with as many frames between them as a window has. Where the recipe does not say, the
    rule decides if there is one, else the source if there are three, else time.

    Raises
    ------
    InputError
        there is no such rule, or a split stays empty.
    """
    usable = [segment for segment in segments if len(starts(segment.run, recipe.frames, recipe.step))]
    if not usable:
        longest = max((stop - start for start, stop in (segment.run for segment in segments)), default=0)
        raise InputError(
            f"no clip has {recipe.frames} frames without a gap, the longest has {longest}; give fewer --frames or "
            "longer clips"
        )
    by = recipe.split_by or _best_way(usable)
    match by:
        case "published":
            parts = _as_published(usable, recipe)
        case "source":
            given = _given([segment.source for segment in usable], recipe)
            parts = [(segment, segment.run, given[segment.source]) for segment in usable]
        case "time":
            parts = _by_time(segments, recipe)
    windows, fruitful = [], set[Segment]()
    for segment, run, split in parts:
        found = [Window(segment.clip, start, split) for start in starts(run, recipe.frames, recipe.step)]
        windows += found
        if found:
            fruitful.add(segment)
    kept = _first_of_training(sorted(windows, key=lambda window: window[:2]), recipe.train)
    _require_all(kept, by, recipe)
    return Division(windows=tuple(kept), by=by, too_short=len(segments) - len(fruitful))


def _best_way(segments: Sequence[Segment]) -> SplitBy:
    if all(segment.split for segment in segments):
        return "published"
    return "source" if len({segment.source for segment in segments}) >= FEWEST_SOURCES else "time"


def _as_published(segments: Sequence[Segment], recipe: Recipe) -> list[tuple[Segment, Run, Split]]:
    parts = [(segment, segment.run, segment.split) for segment in segments if segment.split]
    if len(parts) < len(segments):
        raise InputError(f"{recipe.kind} has no published split; give --split-by source or time")
    return parts


def _given(sources: Sequence[str], recipe: Recipe) -> Mapping[str, Split]:
    """Return the split of every source: at least one for each, validation and test by their shares."""
    names = list(dict.fromkeys(sources))
    if len(names) < FEWEST_SOURCES:
        raise InputError(
            f"{len(names)} of the sources have sequences, a split by source takes {FEWEST_SOURCES}; give "
            "--split-by time"
        )
    order = np.random.default_rng(recipe.seed).permutation(len(names))
    most = len(names) - FEWEST_SOURCES + 1
    validation, test = (min(max(1, round(share * len(names))), most) for share in recipe.shares[1:])
    test = min(test, len(names) - validation - 1)
    ends = (len(names) - validation - test, len(names) - test)
    return {
        names[name]: "train" if place < ends[0] else "validation" if place < ends[1] else "test"
        for place, name in enumerate(order)
    }


def _by_time(segments: Sequence[Segment], recipe: Recipe) -> list[tuple[Segment, Run, Split]]:
    lengths: dict[int, int] = {}
    for segment in segments:
        lengths[segment.clip] = max(lengths.get(segment.clip, 0), segment.run[1])
    parts = []
    for segment in segments:
        for split, (first, last) in zip(SPLITS, _parts(lengths[segment.clip], recipe), strict=True):
            start, stop = max(segment.run[0], first), min(segment.run[1], last)
            if start < stop:
                parts.append((segment, (start, stop), split))
    return parts


def _parts(length: int, recipe: Recipe) -> tuple[Run, Run, Run]:
    gap = recipe.frames
    usable = max(length - 2 * gap, 0)
    train = int(recipe.shares[0] * usable)
    validation = train + int(recipe.shares[1] * usable)
    return (0, train), (train + gap, validation + gap), (validation + 2 * gap, length)


def _first_of_training(windows: Sequence[Window], count: int | None) -> list[Window]:
    if count is None:
        return list(windows)
    left = count
    kept = []
    for window in windows:
        if window.split == "train":
            if not left:
                continue
            left -= 1
        kept.append(window)
    return kept


def _require_all(windows: Sequence[Window], by: SplitBy, recipe: Recipe) -> None:
    counts = {split: sum(window.split == split for window in windows) for split in SPLIT_VALUES}
    empty = [split for split, count in counts.items() if not count]
    if not empty:
        return
    found = ", ".join(f"{count} for {split}" for split, count in counts.items())
    advice = {
        "published": "give --split-by source or time, or more of the data set",
        "source": "give --split-by time, other --shares or another --seed",
        "time": f"give fewer --frames than {recipe.frames}, a smaller --stride, other --shares or longer clips",
    }
    raise InputError(f"split by {by}, there are {found}; {advice[by]}")
