"""Small stores for tests: specs that have every array, units of a few sequences, and the bytes that a store holds."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import zarr
from numpy.typing import NDArray
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from datagen.rendering.sequence import Renderer
from datagen.storage.metadata import documents
from datagen.storage.sprites import sprite_set
from datagen.storage.target import _new_attributes
from schemas.render import RenderSpec, TruthArray
from schemas.store import frame_layouts
from tests.reference.specs import spec_of

TRUTH = get_args(TruthArray)
SPRITES = np.random.default_rng(1).integers(0, 256, (11, 4, 5), np.uint8)


def tiny_spec(property_: Any = "mixed", **fields: Any) -> RenderSpec:
    """Return a spec of small frames that are not square."""
    return spec_of(property_, **{"frames": 2, "height": 9, "width": 12} | fields)


def full_spec(**fields: Any) -> RenderSpec:
    """Return a tiny spec whose store has every kind of array: truth, splits and sprites (`SPRITES`)."""
    return tiny_spec(
        truth=TRUTH,
        splits={"train": 20, "validation": 10, "test": 10},
        objects={"count": (1, 2), "kinds": ("circle", "polygon", "sprite")},
        sprites=sprite_set(SPRITES),
        **fields,
    )


@contextmanager
def chunks_of(sequences: int) -> Iterator[None]:
    """Let a chunk hold at most so many sequences, so that a few make several units; no law depends on the number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("schemas.store.MAX_CHUNK_SEQUENCES", sequences)
        yield


def assigned_objects(spec: RenderSpec, n: int, arrays: Mapping[str, NDArray[Any]]) -> dict[str, bytes]:
    """Return the objects that zarr writes when whole arrays are assigned to those of a new store."""
    new = documents(_new_attributes(spec, n, "tests"))
    buffers = {key: default_buffer_prototype().buffer.from_bytes(document) for key, document in new.items()}
    with zarr.config.set({"array.write_empty_chunks": True}):
        group = zarr.open_group(MemoryStore(buffers), mode="r+")
        for name, array in arrays.items():
            group[name][:] = array  # type: ignore[index]
    return {key: buffer.to_bytes() for key, buffer in buffers.items() if key not in new}


def expected_objects(spec: RenderSpec, n: int) -> dict[str, bytes]:
    """Return the objects of a store of n sequences: rendered in one go, written by zarr. Sprites are `SPRITES`."""
    sprites = SPRITES if spec.sprites else None
    sequences = Renderer(spec, sprites).render(0, n)
    videos = {layout.name: getattr(sequences, layout.name) for layout in frame_layouts(spec)}
    images = {} if sprites is None else {"sprites": sprites}
    return assigned_objects(spec, n, {**sequences.parameters, **videos, **images})


def files_of(store: Path) -> dict[str, bytes]:
    """Return every file of a store by its key."""
    files = (file for file in store.rglob("*") if file.is_file())
    return {file.relative_to(store).as_posix(): file.read_bytes() for file in files}


def objects_of(store: Path) -> dict[str, bytes]:
    """Return the objects of a store's arrays by key: what "the same bytes" means."""
    return {key: data for key, data in files_of(store).items() if not key.endswith("zarr.json")}


def written_when(store: Path) -> dict[Path, tuple[int, int]]:
    """Return of every file and folder which it is and when it was last written."""
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in store.rglob("*")}


def leftovers_of(store: Path) -> list[str]:
    """Return what killed processes left aside."""
    return [key for key in files_of(store) if key.endswith(".partial")]


def change_attributes(store: Path, **changes: Any) -> None:
    """Change attributes of a store's group, as if another program had written it."""
    document = json.loads((store / "zarr.json").read_bytes())
    document["attributes"] |= changes
    (store / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
