"""The store that is written: units of sequences, and the documents around them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec
from zarr.storage import LocalStore, MemoryStore

from schemas.real_store import Contents, RealStoreAttributes, real_layouts
from schemas.recipe import Recipe
from schemas.store import CHUNKS_PER_UNIT, ArrayLayout, chunk_length

ROOT = "zarr.json"
Rows = Mapping[str, NDArray[Any]]
"""Arrays (sequence, ...) by name."""


class Writer:
    """
    A store of real data that is being written, or goes on to be.

    Parameters
    ----------
    path : of the store; made where it is missing
    attributes : of the group
    recipe : of the store
    contents : which arrays it has
    """

    def __init__(self, path: Path, attributes: RealStoreAttributes, recipe: Recipe, contents: Contents) -> None:
        self._path, self._attributes = path, attributes
        layouts = real_layouts(recipe, contents)
        chunk = chunk_length(layouts[-1].sequence_bytes)
        self._unit = CHUNKS_PER_UNIT * chunk
        self._names = [layout.name for layout in layouts]
        self._arrays = _documents(layouts, attributes.n, chunk, self._unit)

    def begin(self) -> None:
        """Write the documents; the store is not complete yet."""
        for key, document in {**self._arrays, ROOT: self._root(complete=False)}.items():
            _put(self._path / key, document)

    def missing(self) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of the units whose frames are not there."""
        for start in range(0, self._attributes.n, self._unit):
            if not (self._path / "frames" / "c" / str(start // self._unit) / "0" / "0" / "0").exists():
                yield start, min(start + self._unit, self._attributes.n)

    def write(self, start: int, rows: Rows) -> None:
        """
        Write a unit; its frames last, for then it is done.

        Parameters
        ----------
        start : its first sequence
        rows : all arrays of the store
        """
        group = zarr.open_group(LocalStore(self._path), mode="r+", use_consolidated=False)
        for name in self._names:
            array = group[name]
            assert isinstance(array, zarr.Array)  # noqa: S101  # the documents are this writer's own
            array = array.with_config({"write_empty_chunks": True})  # what is missing would be damage
            array[start : start + len(rows[name])] = rows[name]

    def complete(self) -> None:
        """Say that all units are there."""
        _put(self._path / ROOT, self._root(complete=True))

    def _root(self, *, complete: bool) -> bytes:
        attributes = self._attributes.model_copy(update={"complete": complete}).model_dump(mode="json")
        metadata = {key.rpartition("/")[0]: json.loads(self._arrays[key]) for key in sorted(self._arrays)}
        consolidated = {"kind": "inline", "must_understand": False, "metadata": metadata}
        root = {
            "attributes": attributes,
            "zarr_format": 3,
            "node_type": "group",
            "consolidated_metadata": consolidated,
        }
        return json.dumps(root, indent=2).encode()


def stored_attributes(path: Path) -> dict[str, Any] | None:
    """Return the attributes of the store, rendered or prepared, that lies at a path; None where there is none."""
    try:
        attributes = json.loads((path / ROOT).read_bytes())["attributes"]
        ours = {"schema_version", "digest", "n", "complete"} <= attributes.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return attributes if ours else None


def _documents(layouts: Sequence[ArrayLayout], n: int, chunk: int, unit: int) -> dict[str, bytes]:
    buffers: dict[str, Any] = {}
    group = zarr.create_group(MemoryStore(buffers))
    for layout in layouts:
        video = layout.dimensions[-2:] == ("y", "x")
        group.create_array(
            layout.name,
            shape=(n, *layout.shape),
            dtype=layout.dtype,
            chunks=(chunk if video else unit, *layout.shape),
            shards=(unit, *layout.shape) if video else None,
            compressors=[Crc32cCodec()],
            fill_value=0,
            dimension_names=layout.dimensions,
            attributes=layout.attributes,
            config={"write_empty_chunks": True},
        )
    return {key: buffer.to_bytes() for key, buffer in buffers.items() if key != ROOT}


def _put(file: Path, document: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.partial")
    aside.write_bytes(document)
    aside.replace(file)


def empty_rows(recipe: Recipe, contents: Contents, length: int) -> dict[str, NDArray[Any]]:
    """Return arrays for `length` sequences, by name, to be filled."""
    return {layout.name: np.zeros((length, *layout.shape), layout.dtype) for layout in real_layouts(recipe, contents)}
