"""Small stores for tests: specs that have every array, units of a few sequences, and the bytes that a store holds."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from datagen.storage.sprites import sprite_set
from schemas.render import RenderSpec, TruthArray
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


def files_of(store: Path) -> dict[str, bytes]:
    """Return every file of a store by its key."""
    files = (file for file in store.rglob("*") if file.is_file())
    return {file.relative_to(store).as_posix(): file.read_bytes() for file in files}


def objects_of(store: Path) -> dict[str, bytes]:
    """Return the objects of a store's arrays by key: what "the same bytes" means."""
    return {key: data for key, data in files_of(store).items() if not key.endswith("zarr.json")}


def leftovers_of(store: Path) -> list[str]:
    """Return what killed processes left aside."""
    return [key for key in files_of(store) if key.endswith(".partial")]


def change_attributes(store: Path, **changes: Any) -> None:
    """Change attributes of a store's group, as if another program had written it."""
    document = json.loads((store / "zarr.json").read_bytes())
    document["attributes"] |= changes
    (store / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
