"""Runs of frames without a gap, and the windows in them that become sequences."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from trainer.data.splits import Split
from trainer.sources.clips import Clip

Run = tuple[int, int]
"""(start, stop)"""
STEPS: Final = (0.5, 1.5)
"""Cadences between which two pictures follow each other, since clocks of cameras jitter; any other step is a gap."""


class Window(NamedTuple):
    """
    Frames that become one sequence.

    clip : number of the clip
    start : first of its kept frames
    split : what the sequence is for
    """

    clip: int
    start: int
    split: Split


def unbroken(clip: Clip, count: int) -> list[Run]:
    """
    Return the runs of a clip's pictures that follow each other without a gap; no picture is in two of them.

    Ranges that the owner gives are kept apart, and cut at `count`. A number that lacks is a gap, and so is time that
    passes without a picture.

    Parameters
    ----------
    count : of the pictures, or more, where it is not known
    """
    runs: list[Run] = []
    for first, behind in sorted(clip.ranges or ((0, count),)):
        start, stop = max(first, runs[-1][1] if runs else 0), min(behind, count)
        if start < stop:
            runs.append((start, stop))
    holes = (*_holes(clip.numbers), *_pauses(clip.stamps))
    return [part for run in runs for part in cut(run, holes)]


def cadence_of(stamps: Sequence[float]) -> float | None:
    """Return the time between two pictures, s: the median; None where there are fewer than two."""
    return median(b - a for a, b in pairwise(stamps)) if len(stamps) > 1 else None


def cut(run: Run, places: Iterable[int]) -> list[Run]:
    """Return the parts of a run, of which each but the first begins at one of some places."""
    start, stop = run
    inside = sorted({place for place in places if start < place < stop})
    return list(pairwise((start, *inside, stop)))


def starts(run: Run, frames: int, step: int) -> range:
    """Return the first frames of a run's windows; none where it is shorter than one."""
    start, stop = run
    return range(start, stop - frames + 1, step)


def _holes(numbers: Sequence[int]) -> list[int]:
    """Return the places before which a number lacks."""
    return [place + 1 for place, (a, b) in enumerate(pairwise(numbers)) if b - a > 1]


def _pauses(stamps: Sequence[float]) -> list[int]:
    """Return the places before which time passed without a picture, or too little of it."""
    cadence = cadence_of(stamps) or 0.0
    steps = enumerate((b - a for a, b in pairwise(stamps)), start=1)
    return [place for place, step in steps if not STEPS[0] * cadence <= step <= STEPS[1] * cadence]
