"""Blocks: whole chunks, whatever is selected of them, and frames that are numbers."""

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InputError
from tests.trainer.data.real_stores import write_real_store
from trainer.data.blocks import Request, cut, load
from trainer.data.splits import Selection
from trainer.data.stores import SequenceStore, open_store

N = 41


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SequenceStore:
    frames = np.random.default_rng(0).integers(0, 256, (N, 2, 5, 7), np.uint8)
    return open_store(write_real_store(tmp_path_factory.mktemp("blocks") / "real.zarr", {"frames": frames}))


def request_of(store: SequenceStore, rows: Any) -> Request:
    return Request(store=store, rows=np.asarray(rows, np.int64), frames=2, arrays=("frames",), skip=False)


@given(st.sets(st.integers(0, N - 1), min_size=1), st.sampled_from([1, 141, 300, 600, 10**6]))
def test_blocks_hold_what_is_selected_once(store: SequenceStore, chosen: set[int], size: int) -> None:
    selection = Selection.of(*((number, number + 1) for number in sorted(chosen)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainer.data.blocks.BLOCK_BYTES", size)
        spans, lengths = cut(3, store, selection)
    rows = [selection.within(span.start, span.stop).tolist() for span in spans]
    assert [len(each) for each in rows] == lengths.tolist()
    assert list(chain.from_iterable(rows)) == sorted(chosen)
    assert 0 not in lengths
    chunk = store["frames"].chunk_sequences
    assert all(span.source == 3 and span.start % chunk == 0 for span in spans)
    assert all((span.stop - span.start) * 70 <= max(size, chunk * 70) for span in spans)


def test_a_block_is_nearly_16_mib(store: SequenceStore) -> None:
    [span], _ = cut(0, store, Selection.of((0, N)))
    assert 15 * 2**20 < (span.stop - span.start) * store["frames"].sequence_bytes <= 16 * 2**20


def test_only_chunks_with_selected_sequences_are_read(store: SequenceStore) -> None:
    block = load(request_of(store, [1, 6, 7]))
    assert [piece is not None for piece in block.chunks["frames"].pieces] == [True, False, False, True]
    assert np.array_equal(block.chunks["frames"].row(6), store["frames"].rows(6, 7)[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_frames_that_are_no_numbers_are_named(tmp_path: Path, value: float, dtype: str) -> None:
    frames = np.zeros((6, 3, 5, 7), dtype)
    frames[3, 1, 2, 2] = value
    frames[4, 2, 0, 0] = value  # behind the frames that are asked for
    store = open_store(write_real_store(tmp_path / "real.zarr", {"frames": frames}))
    with pytest.raises(InputError, match=r"real\.zarr: sequence 3 of frames holds NaN or infinity; leave it out"):
        load(request_of(store, [2, 3]))
    assert load(request_of(store, [2, 4, 5])).sound.all()  # what nobody asks for is not looked at


@pytest.mark.parametrize("value", [255.0, -20.0])
def test_floats_of_another_full_scale_are_named(tmp_path: Path, value: float) -> None:
    frames = np.zeros((6, 2, 5, 7), np.float32)
    frames[3, 1, 2, 2] = value
    frames[5] = 2.3  # rain of 147 mm/h
    store = open_store(write_real_store(tmp_path / "real.zarr", {"frames": frames}))
    with pytest.raises(
        InputError, match=r"real\.zarr: sequence 3 of frames has values .*; full scale of floats is 1, w"
    ):
        load(request_of(store, [2, 3]))
    assert load(request_of(store, [2, 5])).sound.all()
