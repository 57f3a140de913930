"""Reading an array: the bytes that zarr reads, and damage named by array and chunk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from datagen import render_store
from schemas.errors import DamagedStoreError, InputError
from tests.stores import SPRITES, chunks_of, full_spec
from tests.trainer.data.real_stores import change_document, flip_byte, write_real_store
from trainer.data.stores import SequenceStore, open_store

N = 45
CHUNK_BYTES = 2 * (2 * 9 * 12) + 4
"""Of two sequences of 2 frames of 9x12, with the checksum."""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("arrays") / "store.zarr"
    with chunks_of(2):
        render_store(full_spec(), N, path, sprites=SPRITES)
    return path


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    path = tmp_path / "store.zarr"
    with chunks_of(2):
        render_store(full_spec(), N, path, sprites=SPRITES)
    return path


def chunk(store: SequenceStore, name: str, number: int) -> Any:
    return next(iter(store[name].chunks([number])))[1]


def test_every_array_reads_as_zarr_reads_it(rendered: Path) -> None:
    store, group = open_store(rendered), zarr.open_group(rendered, mode="r")
    for name, array in group.arrays():
        expected = np.asarray(array[:])
        found = store[name].rows(0, len(expected))
        assert (found.dtype, found.tobytes()) == (expected.dtype, expected.tobytes()), name


def test_any_range_reads_as_zarr_reads_it(rendered: Path) -> None:
    store, frames = open_store(rendered), zarr.open_group(rendered, mode="r")["frames"]
    for start, stop in [(0, 1), (1, 2), (3, 40), (31, 33), (44, 45), (7, 7)]:
        assert np.array_equal(store["frames"].rows(start, stop), frames[start:stop])  # type: ignore[index]


def test_chunks_without_shards_read_alike(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (5, 2, 3, 4), np.uint8)
    store = open_store(write_real_store(tmp_path / "real.zarr", {"frames": frames}, shard=None))
    assert not store["frames"].sharded
    assert np.array_equal(store["frames"].rows(1, 5), frames[1:5])


def test_a_flipped_byte_is_named_by_array_and_chunk(damaged: Path) -> None:
    flip_byte(damaged / "frames/c/1/0/0/0", 2 * CHUNK_BYTES + 7)
    store = open_store(damaged)
    with pytest.raises(DamagedStoreError) as caught:
        store["frames"].rows(30, 40)
    assert str(caught.value) == (
        f"{damaged}: chunk 18 of frames (sequences 36-37): fails its checksum; "
        f"mend it with `datagen verify {damaged} --repair`"
    )
    assert store["frames"].rows(32, 36).shape[0] == 4


def test_a_missing_object_names_the_chunk_that_was_asked_for(damaged: Path) -> None:
    (damaged / "position/c/1/0/0").unlink()
    assert str(chunk(open_store(damaged), "position", 1)).endswith(
        "chunk 1 of position (sequences 32-44): position/c/1/0/0 is missing"
    )


def test_a_cut_object_damages_what_is_behind_the_cut(damaged: Path) -> None:
    file = damaged / "frames/c/0/0/0/0"
    data = file.read_bytes()
    file.write_bytes(data[: 3 * CHUNK_BYTES])
    assert str(chunk(open_store(damaged), "frames", 0)).endswith("frames/c/0/0/0/0 is damaged at its end")
    (damaged / "kind/c/0/0").write_bytes(b"")
    assert "cut after 0 of" in str(chunk(open_store(damaged), "kind", 0))


def test_a_damaged_index_is_damage(damaged: Path) -> None:
    file = damaged / "frames/c/0/0/0/0"
    flip_byte(file, file.stat().st_size - 40)
    assert isinstance(chunk(open_store(damaged), "frames", 0), DamagedStoreError)


def test_a_chunk_that_a_shard_lacks_is_damage(damaged: Path) -> None:
    # Zarr would give zeros. Unit 1 ends with sequence 44, and its index says that no chunk follows.
    assert str(chunk(open_store(damaged), "frames", 23)).endswith("frames/c/1/0/0/0 does not hold it")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"codecs": [{"name": "bytes"}]}, "codecs bytes"),
        ({"codecs": [{"name": "bytes", "configuration": {"endian": "big"}}, {"name": "crc32c"}]}, "codecs bytes, crc"),
        ({"codecs": [{"name": "bytes"}, {"name": "zstd"}, {"name": "crc32c"}]}, "codecs bytes, zstd, crc32c"),
        ({"data_type": "complex64"}, "data type complex64"),
        ({"chunk_key_encoding": {"name": "v2"}}, "chunk keys"),
        ({"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 1, 9, 12]}}}, "chunks of"),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    frames = np.zeros((4, 2, 9, 12), np.uint8)
    path = write_real_store(tmp_path / "real.zarr", {"frames": frames, "valid": frames}, shard=None)
    change_document(path, "valid", **changes)
    with pytest.raises(InputError, match=f"valid is not stored as chunks of whole sequences with the codecs .*{said}"):
        open_store(path)["valid"]
