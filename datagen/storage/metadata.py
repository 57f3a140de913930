"""The zarr documents of a store: a pure function of its attributes, made by zarr itself, in memory."""

import json
from typing import Any

import zarr
from zarr.codecs import Crc32cCodec
from zarr.storage import MemoryStore

from schemas.render import SpriteSet
from schemas.store import (
    CHUNK_BYTES,
    ArrayLayout,
    StoreAttributes,
    chunk_sequences,
    frame_layouts,
    table_layouts,
    unit_sequences,
)

ROOT = "zarr.json"
"""Key of the group's document. It holds attributes and consolidated metadata, so that one put changes them together."""
SPRITES = "sprites"


def documents(attributes: StoreAttributes, *, sharded: bool = True) -> dict[str, bytes]:
    """
    Return the document of every array and, last, the group's, by key.

    Parameters
    ----------
    sharded : whether the chunks of a unit lie in one object, as on disks; else each is an object of its own
    """
    spec, n = attributes.render_spec, attributes.n
    buffers: dict[str, Any] = {}
    group = zarr.create_group(MemoryStore(buffers))
    for layout in table_layouts(spec):
        _create(group, layout, n, chunk=unit_sequences(spec), unit=None)
    for layout in frame_layouts(spec):
        _create(group, layout, n, chunk=chunk_sequences(spec), unit=unit_sequences(spec) if sharded else None)
    if spec.sprites:
        _create_sprites(group, spec.sprites)
    arrays = {key: buffer.to_bytes() for key, buffer in buffers.items() if key != ROOT}
    fields = attributes.model_dump(mode="json", exclude={"cancelled"} if not attributes.cancelled else None)
    return {**arrays, ROOT: root_document(fields, arrays)}


def root_document(attributes: dict[str, Any], arrays: dict[str, bytes]) -> bytes:
    """
    Return the group's document.

    Parameters
    ----------
    arrays : the documents of the arrays by key; they are repeated in the group's, for readers that cannot list
    """
    # The form that zarr.consolidate_metadata writes (a test compares); that call takes a second put and always warns.
    root = {
        "attributes": attributes,
        "zarr_format": 3,
        "node_type": "group",
        "consolidated_metadata": {
            "kind": "inline",
            "must_understand": False,
            "metadata": {key.rpartition("/")[0]: json.loads(arrays[key]) for key in sorted(arrays)},
        },
    }
    return json.dumps(root, indent=2).encode()


def group_attributes(document: bytes) -> dict[str, Any] | None:
    """Return the attributes in a group's document, or None where it is no group's."""
    try:
        root = json.loads(document)
    except ValueError:
        return None
    if not isinstance(root, dict) or root.get("node_type") != "group" or root.get("zarr_format") != 3:
        return None
    attributes = root.get("attributes")
    return attributes if isinstance(attributes, dict) else None


def sprites_per_chunk(sprites: SpriteSet) -> int:
    """Return the images in one chunk of `sprites`."""
    return min(sprites.count, max(1, CHUNK_BYTES // (sprites.height * sprites.width)))


def _create(group: zarr.Group, layout: ArrayLayout, n: int, *, chunk: int, unit: int | None) -> None:
    group.create_array(
        layout.name,
        shape=(n, *layout.shape),
        dtype=layout.dtype,
        chunks=(chunk, *layout.shape),
        shards=None if unit is None else (unit, *layout.shape),
        compressors=[Crc32cCodec()],
        fill_value=0,
        dimension_names=layout.dimensions,
        attributes=layout.attributes,
        config={"write_empty_chunks": True},
    )


def _create_sprites(group: zarr.Group, sprites: SpriteSet) -> None:
    group.create_array(
        SPRITES,
        shape=(sprites.count, sprites.height, sprites.width),
        dtype="uint8",
        chunks=(sprites_per_chunk(sprites), sprites.height, sprites.width),
        compressors=[Crc32cCodec()],
        fill_value=0,
        dimension_names=("sprite", "sprite_y", "sprite_x"),
        attributes={"long_name": "images that `sprite` names; the grey value is the coverage", "units": "1"},
        config={"write_empty_chunks": True},
    )
