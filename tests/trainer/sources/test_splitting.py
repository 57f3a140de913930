"""Splits never share a frame, are never empty, and are the owners' where they have a rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from schemas.recipe import Recipe
from trainer.data.splits import Split
from trainer.sources.splitting import SPLITS, Division, Segment, divide


def recipe(**fields: Any) -> Recipe:
    return Recipe.parse({"kind": "video", "frames": 4, **fields})


def segment(clip: int, start: int, stop: int, split: Split | None = None, source: str | None = None) -> Segment:
    return Segment(clip=clip, run=(start, stop), source=source or f"clip{clip}", split=split)


def clips(count: int, frames: int = 20) -> list[Segment]:
    return [segment(clip, 0, frames) for clip in range(count)]


def used(division: Division, frames: int) -> dict[str, set[tuple[int, int]]]:
    """Return the frames of every split."""
    return {
        split: {(w.clip, w.start + t) for w in division.windows if w.split == split for t in range(frames)}
        for split in SPLITS
    }


def counts(division: Division) -> list[int]:
    return [sum(window.split == split for window in division.windows) for split in SPLITS]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 60), st.integers(1, 60)), min_size=1, max_size=8),
    st.integers(2, 6),
    st.integers(1, 7),
    st.sampled_from(["source", "time"]),
    st.integers(0, 9),
)
def test_no_two_splits_share_a_frame(
    runs: list[tuple[int, int, int]], frames: int, stride: int, by: Any, seed: int
) -> None:
    ends: dict[int, int] = {}
    segments = []
    for clip, gap, length in runs:
        start = ends.get(clip, 0) + gap
        ends[clip] = start + length
        segments.append(segment(clip, start, start + length))
    try:
        division = divide(segments, recipe(frames=frames, stride=stride, split_by=by, seed=seed))
    except InputError:
        return
    train, validation, test = used(division, frames).values()
    assert not train & validation
    assert not train & test
    assert not validation & test
    inside = {(s.clip, t) for s in segments for t in range(*s.run)}
    assert train | validation | test <= inside


def test_between_the_parts_of_a_clip_lie_as_many_frames_as_a_window_has() -> None:
    division = divide([segment(0, 0, 100)], recipe(stride=1))
    assert division.by == "time"
    train, validation, test = ({t for _, t in frames} for frames in used(division, 4).values())
    assert min(validation) - max(train) > 4
    assert min(test) - max(validation) > 4
    assert (len(train), len(validation), len(test)) == (64, 13, 15)  # 92 frames are left: 70 %, 15 %, and the rest


def test_sources_are_kept_together_and_each_split_has_one() -> None:
    division = divide(clips(20), recipe())
    assert division.by == "source"
    assert counts(division) == [5 * 14, 5 * 3, 5 * 3]
    by_split = [{window.clip for window in division.windows if window.split == split} for split in SPLITS]
    assert sum(map(len, by_split)) == 20
    assert counts(divide(clips(3), recipe())) == [5, 5, 5]
    assert counts(divide(clips(4), recipe(shares=(0.1, 0.1, 0.8)))) == [5, 5, 10]


def test_the_seed_decides_which_source_goes_where() -> None:
    divisions = [divide(clips(9), recipe(seed=seed)) for seed in (0, 0, 1)]
    assert divisions[0] == divisions[1] != divisions[2]


def test_sequences_of_an_array_are_sources_of_their_own() -> None:
    segments = [segment(0, 10 * start, 10 * start + 10, source=f"a:{start}") for start in range(10)]
    division = divide(segments, recipe())
    assert division.by == "source"
    assert min(counts(division)) > 0


def test_the_owners_rule_comes_first() -> None:
    ruled = [segment(0, 0, 8, "test"), segment(1, 0, 8, "train"), segment(2, 0, 8, "validation")]
    division = divide(ruled, recipe())
    assert division.by == "published"
    found = {(window.clip, window.split) for window in division.windows}
    assert found == {(0, "test"), (1, "train"), (2, "validation")}
    assert divide(ruled, recipe(split_by="source")).by == "source"


def test_only_the_first_training_sequences_are_kept() -> None:
    every, few = divide(clips(20), recipe()), divide(clips(20), recipe(train=3))
    assert counts(few) == [3, *counts(every)[1:]]
    first = [window for window in every.windows if window.split == "train"][:3]
    assert [window for window in few.windows if window.split == "train"] == first


def test_runs_that_are_too_short_are_counted() -> None:
    assert divide([*clips(3), segment(3, 0, 3), segment(4, 0, 2)], recipe()).too_short == 2


@pytest.mark.parametrize(
    ("segments", "fields", "said"),
    [
        ([segment(0, 0, 3), segment(1, 5, 7)], {}, "no clip has 4 frames without a gap, the longest has 3; give fewer"),
        ([], {}, "no clip has 4 frames without a gap, the longest has 0"),
        (clips(3), {"split_by": "published"}, "video has no published split; give --split-by source or time"),
        (
            clips(2),
            {"split_by": "source"},
            "2 of the sources have sequences, a split by source takes 3; give ",
        ),
        (
            [segment(clip, 0, 8, "test") for clip in range(3)],
            {},
            "split by published, there are 0 for train, 0 for validation, 6 for test; give --split-by source or time",
        ),
        (clips(1, 15), {}, "split by time, there are 1 for train, 0 for validation, 0 for test; give fewer --frames"),
    ],
)
def test_what_leaves_a_split_empty_is_refused(segments: list[Segment], fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        divide(segments, recipe(**fields))
    assert str(caught.value).startswith(said)
