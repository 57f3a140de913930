"""The documents of a store: what zarr itself writes, and what the layout asks for."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from datagen.storage.metadata import documents, group_attributes, root_document, sprites_per_chunk
from datagen.storage.target import _new_attributes
from schemas.render import SpriteSet
from schemas.store import (
    CHUNK_BYTES,
    StoreAttributes,
    chunk_sequences,
    frame_layouts,
    table_layouts,
    unit_sequences,
)
from tests.stores import full_spec, tiny_spec

ATTRIBUTES = _new_attributes(full_spec(), 50, "tests")
BARE = _new_attributes(tiny_spec(), 1, "tests")


def stored(some: dict[str, bytes]) -> MemoryStore:
    buffer = default_buffer_prototype().buffer
    return MemoryStore({key: buffer.from_bytes(document) for key, document in some.items()})


def parsed(attributes: StoreAttributes) -> dict[str, dict[str, Any]]:
    return {key.removesuffix("/zarr.json"): json.loads(document) for key, document in documents(attributes).items()}


@pytest.mark.parametrize("attributes", [ATTRIBUTES, BARE], ids=["full", "bare"])
def test_the_groups_document_is_what_zarr_consolidates(attributes: StoreAttributes) -> None:
    ours = documents(attributes)
    root = json.loads(ours["zarr.json"])
    alone = {key: value for key, value in root.items() if key != "consolidated_metadata"}
    store = stored({**ours, "zarr.json": json.dumps(alone).encode()})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(store)
    theirs = {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}
    assert json.loads(theirs.pop("zarr.json")) == root
    assert theirs == {key: document for key, document in ours.items() if key != "zarr.json"}


def test_zarr_opens_the_arrays_that_the_layout_describes() -> None:
    group = zarr.open_group(stored(documents(ATTRIBUTES)), mode="r")
    spec = ATTRIBUTES.render_spec
    frames = frame_layouts(spec)
    assert set(group.array_keys()) == {layout.name for layout in frames + table_layouts(spec)} | {"sprites"}
    for layout in frames + table_layouts(spec):
        array = group[layout.name]
        assert isinstance(array, zarr.Array)
        assert array.shape == (50, *layout.shape)
        assert array.dtype == np.dtype(layout.dtype)
        assert array.metadata.dimension_names == layout.dimensions  # type: ignore[union-attr]
        assert dict(array.attrs) == layout.attributes
        assert array.fill_value == 0
        sharded = layout in frames
        assert array.shards == ((unit_sequences(spec), *layout.shape) if sharded else None)
        assert array.chunks == ((chunk_sequences(spec) if sharded else unit_sequences(spec)), *layout.shape)
    assert group["sprites"].shape == (11, 4, 5)  # type: ignore[union-attr]


def test_codecs_are_bytes_and_crc32c_and_shards_end_with_their_index() -> None:
    found = parsed(ATTRIBUTES)
    for layout in frame_layouts(ATTRIBUTES.render_spec):
        (shard,) = found[layout.name]["codecs"]
        assert shard["name"] == "sharding_indexed"
        assert [codec["name"] for codec in shard["configuration"]["codecs"]] == ["bytes", "crc32c"]
        assert [codec["name"] for codec in shard["configuration"]["index_codecs"]] == ["bytes", "crc32c"]
        assert shard["configuration"]["index_location"] == "end"
    for name in (*(layout.name for layout in table_layouts(ATTRIBUTES.render_spec)), "sprites"):
        assert [codec["name"] for codec in found[name]["codecs"]] == ["bytes", "crc32c"], name


def test_numbers_of_several_bytes_are_little_endian() -> None:
    found = parsed(_new_attributes(full_spec(dtype="float32"), 1, "tests"))
    codecs = {name: document["codecs"][0] for name, document in found.items() if name != "zarr.json"}
    codecs["frames"], codecs["flow"] = (codecs[name]["configuration"]["codecs"][0] for name in ("frames", "flow"))
    for name in ("frames", "flow", "position", "sprite", "noise_ratio"):
        assert codecs[name]["configuration"] == {"endian": "little"}, name


def test_no_array_has_the_name_of_one_of_its_dimensions() -> None:
    """Readers would take it for a coordinate and load it whole."""
    found = parsed(ATTRIBUTES)
    assert {name for name, document in found.items() if name in (document.get("dimension_names") or ())} == set()
    assert "sequence" not in found


@given(n=st.integers(1, 2**62))
@settings(max_examples=8)
def test_documents_are_a_function_of_the_attributes_and_n_changes_shapes_alone(n: int) -> None:
    longer = ATTRIBUTES.model_copy(update={"n": n})
    assert documents(longer) == documents(longer)
    one, other = parsed(ATTRIBUTES), parsed(longer)
    assert one.keys() == other.keys()
    for name in one.keys() - {"zarr.json", "sprites"}:
        assert other[name]["shape"][0] == n
        assert {**other[name], "shape": one[name]["shape"]} == one[name]


def test_attributes_are_read_from_the_document_and_from_no_other() -> None:
    assert StoreAttributes.parse(group_attributes(documents(ATTRIBUTES)["zarr.json"])) == ATTRIBUTES
    assert group_attributes(root_document({"any": 1}, {})) == {"any": 1}
    array = documents(ATTRIBUTES)["frames/zarr.json"]
    for document in (b"", b"{", b"[]", b"null", b"{}", b"\xff\x00", array, b'{"zarr_format": 2, "node_type": "group"}'):
        assert group_attributes(document) is None
    assert group_attributes(b'{"zarr_format": 3, "node_type": "group", "attributes": []}') is None


@given(count=st.integers(1, 2**31 - 1), height=st.integers(1, 4096), width=st.integers(1, 4096))
def test_a_chunk_of_sprites_stays_within_4_mib_if_one_image_does(count: int, height: int, width: int) -> None:
    images = sprites_per_chunk(SpriteSet(count=count, height=height, width=width, sha256="0" * 64))
    assert 1 <= images <= count
    assert images == 1 or images * height * width <= CHUNK_BYTES
    assert images == count or (images + 1) * height * width > CHUNK_BYTES
