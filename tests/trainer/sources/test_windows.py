"""Runs of frames end at every gap, and windows lie within them."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.sources.clips import Clip
from trainer.sources.windows import cut, starts, unbroken


def clip(**fields: Any) -> Clip:
    return Clip(name="a", files=(Path("a"),), **fields)


@pytest.mark.parametrize(
    ("fields", "count", "runs"),
    [
        ({}, 5, [(0, 5)]),
        ({"numbers": (21, 22, 24, 25, 30)}, 5, [(0, 2), (2, 4), (4, 5)]),
        ({"ranges": ((0, 3), (7, 9))}, 12, [(0, 3), (7, 9)]),
        ({"ranges": ((7, 9), (0, 3), (11, 40), (50, 60))}, 12, [(0, 3), (7, 9), (11, 12)]),
        ({"ranges": ((0, 4), (2, 6), (5, 6))}, 12, [(0, 4), (4, 6)]),
        ({"ranges": ((1, 4),), "numbers": (0, 1, 2, 4, 5)}, 5, [(1, 3), (3, 4)]),
    ],
)
def test_pictures_are_unbroken_up_to_a_gap(fields: dict[str, Any], count: int, runs: list[tuple[int, int]]) -> None:
    assert unbroken(clip(**fields), count) == runs


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))), st.integers(1, 30))
def test_no_picture_is_in_two_runs(ranges: list[tuple[int, int]], count: int) -> None:
    runs = unbroken(clip(ranges=tuple(ranges)), count)
    assert all(a[1] <= b[0] for a, b in pairwise(runs))
    pictures = {picture for start, stop in runs for picture in range(start, stop)}
    listed = {picture for start, stop in ranges or [(0, count)] for picture in range(start, min(stop, count))}
    assert pictures == listed


def test_a_run_is_cut_at_places_inside_it() -> None:
    assert cut((2, 9), [0, 2, 4, 4, 8, 9, 12]) == [(2, 4), (4, 8), (8, 9)]


@pytest.mark.parametrize(
    ("run", "frames", "step", "expected"),
    [((3, 13), 10, 1, [3]), ((3, 12), 10, 1, []), ((0, 25), 10, 5, [0, 5, 10, 15]), ((1, 9), 2, 3, [1, 4, 7])],
)
def test_windows_lie_within_their_run(run: tuple[int, int], frames: int, step: int, expected: list[int]) -> None:
    assert list(starts(run, frames, step)) == expected
