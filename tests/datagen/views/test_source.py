"""A spec and a store as sources: the same sequences from both, real data too, and one line for what is not there."""

from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import open_store, render_sequences, render_store
from datagen.views.source import Source, SpecSource, StoreSource, check_range, read_chunks
from schemas.errors import DamagedStoreError, InputError
from schemas.render import MAX_SEQUENCES, TruthArray
from schemas.store import ArrayLayout, frame_layouts, table_layouts
from tests.stores import SPRITES, chunks_of, full_spec, tiny_spec
from tests.trainer.data.real_stores import flip_byte, write_real_store

N = 11


@pytest.fixture
def store(tmp_path: Path) -> StoreSource:
    """Return a store with every kind of array, in chunks of 4."""
    with chunks_of(4):
        render_store(full_spec(), N, tmp_path / "a.zarr", sprites=SPRITES)
    return StoreSource(open_store(tmp_path / "a.zarr"))


def test_a_spec_and_its_store_have_the_same_layouts_and_sequences(store: StoreSource) -> None:
    with chunks_of(4):
        spec = SpecSource(full_spec(), SPRITES, N)
    assert store.layouts == spec.layouts
    assert (store.n, store.chunk) == (spec.n, spec.chunk) == (N, 4)
    assert store.origin == spec.origin == {"spec": full_spec().canonical_json(), "digest": full_spec().digest}
    names = list(store.layouts)
    for start, stop in ((0, N), (3, 9), (10, 11)):
        stored, rendered = store.read(names, start, stop), spec.read(names, start, stop)
        for name in names:
            assert stored[name].dtype == rendered[name].dtype == store.layouts[name].dtype
            assert stored[name].shape == (stop - start, *store.layouts[name].shape)
            assert np.array_equal(stored[name], rendered[name])
    expected = render_sequences(full_spec(), 3, 6, SPRITES)
    assert np.array_equal(store.read(["flow"], 3, 9)["flow"], expected.flow)
    assert np.array_equal(store.read(["angle"], 3, 9)["angle"], expected.parameters["angle"])


def test_a_spec_shows_truth_that_it_does_not_ask_for_and_sequences_without_end() -> None:
    spec = tiny_spec()
    source = SpecSource(spec)
    assert source.n == MAX_SEQUENCES
    assert source.layouts.keys() == {layout.name for layout in frame_layouts(spec) + table_layouts(spec)}
    assert source.origin["digest"] == spec.digest
    last = source.read(["frames", *get_args(TruthArray)], MAX_SEQUENCES - 1, MAX_SEQUENCES)
    expected = render_sequences(spec.model_copy(update={"truth": get_args(TruthArray)}), MAX_SEQUENCES - 1, 1)
    for name, array in last.items():
        assert np.array_equal(array, getattr(expected, name))


def test_a_spec_without_its_sprites_is_refused() -> None:
    with pytest.raises(InputError, match="the spec names 11 sprites and none are given"):
        SpecSource(full_spec())


@pytest.mark.parametrize(
    ("start", "stop", "said"),
    [
        (N, N + 1, f"sequence {N} is not in"),
        (-1, 0, "sequence -1 is not in"),
        (5, N + 1, f"sequences 5 to {N} are not in"),
        (3, 3, "not in"),
        (3, 2, "not in"),
    ],
)
def test_sequences_that_are_not_there_are_refused(store: StoreSource, start: int, stop: int, said: str) -> None:
    for source in (store, SpecSource(tiny_spec(), n=N)):
        for read in (source.read, lambda _, *numbers, source=source: check_range(source, *numbers)):
            with pytest.raises(InputError, match=said) as refused:
                read(["frames"], start, stop)
            assert str(refused.value).endswith(f"{source.name}; give numbers from 0 to {N - 1}")


def test_an_array_that_a_store_lacks_comes_with_the_way_to_get_it(tmp_path: Path) -> None:
    render_store(tiny_spec(truth=("mask",)), 2, tmp_path / "a.zarr")
    source = StoreSource(open_store(tmp_path / "a.zarr"))
    with pytest.raises(InputError) as refused:
        source.read(["frames", "flow"], 0, 1)
    path = tmp_path / "a.zarr"
    assert str(refused.value) == f"{path} has no flow; render it with `--truth mask,flow` into another path"


def test_a_damaged_chunk_is_named_with_the_command_that_mends_it(store: StoreSource, tmp_path: Path) -> None:
    flip_byte(tmp_path / "a.zarr/mask/c/0/0/0/0", 5)
    assert store.read(["frames"], 0, 4)["frames"].any()
    assert store.read(["mask"], 4, N)["mask"].any()
    with pytest.raises(DamagedStoreError) as refused:
        store.read(["frames", "mask"], 1, 3)
    assert str(refused.value) == (
        f"{tmp_path / 'a.zarr'}: mask of sequences 1-2 fails its checksum; "
        f"mend it with `datagen verify {tmp_path / 'a.zarr'} --repair`"
    )


FRAMES = np.random.default_rng(0).random((5, 3, 4, 6), np.float32)
TIMES = np.arange(15.0).reshape(5, 3)


def test_real_data_are_a_source_by_their_recipe(tmp_path: Path) -> None:
    split = np.array([0, 0, 1, 2, 2], np.uint8)
    path = write_real_store(
        tmp_path / "real.zarr",
        {"frames": FRAMES, "split": split, "valid_time": TIMES},
        recipe={"source": "radar", "unit": "mm/h", "a": "é"},
    )
    source = StoreSource(open_store(path))
    assert source.origin == {"recipe": '{"a":"é","source":"radar","unit":"mm/h"}', "digest": "0" * 64}
    assert (source.n, source.chunk, source.name) == (5, 2, str(path))
    assert source.layouts["frames"].dimensions == ("sequence", "time", "y", "x")
    read = source.read(source.layouts, 1, 4)
    assert np.array_equal(read["frames"], FRAMES[1:4])
    assert np.array_equal(read["split"], split[1:4])
    assert np.array_equal(read["valid_time"], TIMES[1:4])
    with pytest.raises(InputError) as refused:
        source.read(["flow"], 0, 1)
    assert str(refused.value) == f"{path} has no flow; real data come without truth, leave the overlay out"


class Numbers:
    """A source of sequence numbers, which remembers what was read of it."""

    name, origin = "the numbers", {"spec": "{}", "digest": "0"}
    layouts: ClassVar = {
        "frames": ArrayLayout(name="frames", dtype="int32", dimensions=("sequence", "time"), shape=(1,), attributes={})
    }

    def __init__(self, n: int, chunk: int) -> None:
        self.n, self.chunk = n, chunk
        self.pieces: list[tuple[int, int]] = []

    def read(self, names: Any, start: int, stop: int) -> dict[str, Any]:
        self.pieces.append((start, stop))
        return {name: np.arange(start, stop)[:, None] for name in names}


@given(chunk=st.integers(1, 9), start=st.integers(0, 40), count=st.integers(1, 40))
def test_pieces_are_whole_in_order_and_cross_no_chunk(chunk: int, start: int, count: int) -> None:
    numbers = Numbers(80, chunk)
    source: Source = numbers
    pieces = list(read_chunks(source, (name for name in ["frames"]), start, start + count))
    assert np.array_equal(np.concatenate([arrays["frames"] for _, arrays in pieces])[:, 0], np.arange(count) + start)
    assert [first for first, _ in pieces] == [first for first, _ in numbers.pieces]
    assert all(first // chunk == (end - 1) // chunk for first, end in numbers.pieces)
    assert len(pieces) == (start + count - 1) // chunk - start // chunk + 1
