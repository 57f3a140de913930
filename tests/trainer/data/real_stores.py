"""Stores of real data, as `trainer prepare` lays them out, written by zarr for tests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from datagen.storage.metadata import root_document
from schemas.render import SCHEMA_VERSION

DIMENSIONS = {
    "frames": ("sequence", "time", "y", "x"),
    "valid": ("sequence", "time", "y", "x"),
    "valid_time": ("sequence", "time"),
}


def write_real_store(
    path: Path, arrays: Mapping[str, NDArray[Any]], *, chunk: int = 2, shard: int | None = 4, **attributes: Any
) -> Path:
    """Write arrays (sequence, ...) as a store of real data; `shard` is None for chunks without shards."""
    group = zarr.open_group(path, mode="w")
    for name, values in arrays.items():
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=(chunk, *values.shape[1:]),
            shards=(shard, *values.shape[1:]) if shard and values.ndim > 1 else None,
            compressors=[Crc32cCodec()],
            fill_value=0,
            dimension_names=DIMENSIONS.get(name, ("sequence",)),
            config={"write_empty_chunks": True},
        )
        array[...] = values
    fields = {
        "schema_version": SCHEMA_VERSION,
        "recipe": {"kind": "test"},
        "digest": "0" * 64,
        "n": len(next(iter(arrays.values()))),
        "complete": True,
        **attributes,
    }
    documents = {f"{name}/zarr.json": (path / name / "zarr.json").read_bytes() for name in arrays}
    (path / "zarr.json").write_bytes(root_document(fields, documents))
    return path


def change_document(store: Path, array: str, **changes: Any) -> None:
    """Change what a store says of an array, as if another program had written it."""
    document = json.loads((store / "zarr.json").read_bytes())
    document["consolidated_metadata"]["metadata"][array] |= changes
    (store / "zarr.json").write_text(json.dumps(document), encoding="utf-8")


def flip_byte(file: Path, offset: int) -> None:
    """Turn over the bits of one byte of a file."""
    data = bytearray(file.read_bytes())
    data[offset] ^= 0xFF
    file.write_bytes(data)
