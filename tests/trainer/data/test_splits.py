"""Selections as runs, and the splits of stores with and without a column of their own."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import render_store
from schemas.errors import InputError
from tests.stores import tiny_spec
from tests.trainer.data.real_stores import write_real_store
from trainer.data.splits import Selection, select
from trainer.data.stores import SequenceStore, open_store

CHOSEN = st.sets(st.integers(0, 40))
SPLITS = ("train", "validation", "test")


def selection_of(chosen: set[int]) -> Selection:
    return Selection.of(*((number, number + 1) for number in sorted(chosen)))


def members(selection: Selection) -> list[int]:
    return selection.within(0, 10**6).tolist()


def real_store(path: Path, split: list[int], **columns: list[int]) -> SequenceStore:
    arrays = {"frames": np.zeros((len(split), 3, 4, 4), np.uint8), "split": np.array(split, np.uint8)}
    return open_store(
        write_real_store(path, arrays | {name: np.array(each, np.int32) for name, each in columns.items()})
    )


@given(CHOSEN, st.integers(0, 41), st.integers(0, 41))
def test_a_selection_is_the_set_of_its_sequences(chosen: set[int], a: int, b: int) -> None:
    selection = selection_of(chosen)
    assert len(selection) == len(chosen)
    assert members(selection) == sorted(chosen)
    assert selection.within(a, b).tolist() == [number for number in sorted(chosen) if a <= number < b]
    assert members(selection.first(a)) == sorted(chosen)[:a]


@given(CHOSEN, st.sets(st.integers(0, 45), min_size=2))
def test_counts_are_those_between_bounds(chosen: set[int], bounds: set[int]) -> None:
    edges = sorted(bounds)
    expected = [sum(a <= number < b for number in chosen) for a, b in pairwise(edges)]
    assert selection_of(chosen).counts(np.array(edges)).tolist() == expected


def test_rendered_splits_are_those_of_the_column(tmp_path: Path) -> None:
    spec = tiny_spec(splits={"train": 5, "validation": 3, "test": 2})
    render_store(spec, 14, tmp_path / "store.zarr")
    store = open_store(tmp_path / "store.zarr")
    column = store["split"].rows(0, 14)
    for value, split in enumerate(SPLITS):
        assert members(select(store, split)) == np.flatnonzero(column == value).tolist()


def test_a_store_shorter_than_its_splits_has_fewer(tmp_path: Path) -> None:
    render_store(tiny_spec(splits={"train": 5, "validation": 3, "test": 2}), 7, tmp_path / "store.zarr")
    store = open_store(tmp_path / "store.zarr")
    assert members(select(store, "validation")) == [5, 6]
    with pytest.raises(InputError, match=r"store\.zarr has no sequence that is for test; give"):
        select(store, "test")


def test_real_splits_are_those_of_the_column(tmp_path: Path) -> None:
    store = real_store(tmp_path / "real.zarr", [0, 2, 0, 0, 1, 1, 0])
    assert [members(select(store, split, sequences=2)) for split in SPLITS] == [[0, 2, 3, 6], [4, 5], [1]]


@pytest.mark.parametrize(
    ("n", "sequences", "train", "validation"), [(2, 10, 1, 1), (60, 100, 57, 3), (60, 40, 38, 2), (60, 19, 18, 1)]
)
def test_without_splits_the_last_of_the_first_validate(
    tmp_path: Path, n: int, sequences: int, train: int, validation: int
) -> None:
    render_store(tiny_spec(), n, tmp_path / "store.zarr")
    store = open_store(tmp_path / "store.zarr")
    assert members(select(store, "train", sequences)) == list(range(train))
    assert members(select(store, "validation", sequences)) == list(range(train, train + validation))
    with pytest.raises(InputError, match="has no sequence that is for test"):
        select(store, "test", sequences)


def test_one_sequence_cannot_be_split(tmp_path: Path) -> None:
    render_store(tiny_spec(), 1, tmp_path / "store.zarr")
    with pytest.raises(InputError, match="has 1 sequence and no splits; give a store of 2 or more"):
        select(open_store(tmp_path / "store.zarr"), "train")


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"split holds 7; its values are 0 \(train\), 1 \(validation\), 2 \(test\)"):
        select(real_store(tmp_path / "real.zarr", [0, 7, 1]), "train")


def test_windows_of_different_splits_may_not_share_frames(tmp_path: Path) -> None:
    # Sequences have three frames: those of source 0 touch, and overlap only within one split.
    split, source = [0, 0, 1, 0], [0, 0, 0, 1]
    fine = real_store(tmp_path / "fine.zarr", split, source_file=source, first_frame=[0, 2, 5, 6])
    assert members(select(fine, "train")) == [0, 1, 3]
    shared = real_store(tmp_path / "shared.zarr", split, source_file=source, first_frame=[0, 2, 4, 6])
    with pytest.raises(InputError, match=r"sequences 1 and 2 share frames of one source and are of different splits"):
        select(shared, "train")
