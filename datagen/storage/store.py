"""A store as readers see it: opened read-only, and refused where it is incomplete, newer, or no store."""

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from datagen.storage.metadata import ROOT, SPRITES, group_attributes
from datagen.storage.objects import Objects, objects_at
from schemas.errors import DamagedStoreError, IncompleteStoreError, InputError, NewerSchemaError
from schemas.messages import shown
from schemas.render import SCHEMA_VERSION, RenderSpec
from schemas.store import StoreAttributes


@dataclass(frozen=True)
class SequenceStore:
    """
    A store of sequences: rendered (it has a spec), or prepared from real data (it has a recipe instead).

    `store["frames"]` is the zarr array (sequence, time, y, x); `len(store)` is n.
    """

    path: str
    objects: Objects
    fields: dict[str, Any]
    """The group's attributes as they are; `attributes` are the same of a rendered store, checked."""

    @cached_property
    def group(self) -> zarr.Group:
        """The zarr group, read-only."""
        return zarr.open_group(self.objects.store(), mode="r")

    @cached_property
    def attributes(self) -> StoreAttributes:
        """The attributes of a rendered store; raises InputError for one of real data."""
        if not self.rendered:
            raise InputError(f"{self.path} holds real data by a recipe; give a store that datagen rendered from a spec")
        return StoreAttributes.parse(self.fields, f"{self.path} attributes")

    @cached_property
    def spec(self) -> RenderSpec:
        """What the store was rendered from; raises InputError for a store of real data."""
        return self.attributes.render_spec

    @property
    def rendered(self) -> bool:
        """Whether the store was rendered from a spec."""
        return "spec" in self.fields

    @property
    def digest(self) -> str:
        """SHA-256 of the spec or recipe: 64 hexadecimal digits."""
        return str(self.fields["digest"])

    @property
    def n(self) -> int:
        """Sequences, committed or not."""
        return int(self.fields["n"])

    @property
    def complete(self) -> bool:
        """Whether every unit is committed."""
        return bool(self.fields["complete"])

    @cached_property
    def sprites(self) -> NDArray[np.uint8] | None:
        """(sprite, sprite_y, sprite_x) uint8, or None where the store has none; raises DamagedStoreError."""
        return read_sprites(self.path, self.group)

    def __getitem__(self, name: str) -> zarr.Array[Any]:
        """Return an array by name; raises InputError where there is none."""
        array = self.group.get(name)
        if not isinstance(array, zarr.Array):
            raise InputError(f"{self.path} has no array {name}; it has {', '.join(sorted(self.group.array_keys()))}")
        return array

    def __len__(self) -> int:
        """Return n."""
        return self.n


def open_store(path: str | Path, *, incomplete: bool = False) -> SequenceStore:
    """
    Open a store for reading.

    Parameters
    ----------
    path : local path or URL, e.g. s3://bucket/rotation.zarr
    incomplete : whether a store is welcome whose last unit is not committed yet

    Raises
    ------
    IncompleteStoreError
        the store is not complete; the message holds the command that finishes it.
    NewerSchemaError
        a newer version wrote the store.
    DamagedStoreError
        the store's group has lost its document.
    InputError
        there is nothing, no store, or no way to read it.
    """
    objects = objects_at(path)
    fields = stored_fields(objects)
    if fields is None:
        raise InputError(f"{objects.path} does not exist; give the path of a store, or make one with `datagen render`")
    refuse_other_schema(objects.path, fields)
    _refuse_wrong_types(objects.path, fields)
    store = SequenceStore(objects.path, objects, fields)
    if not (store.complete or incomplete):
        raise IncompleteStoreError(f"{objects.path} is not complete; finish it with {_finishing_command(store)}")
    return store


def stored_fields(objects: Objects) -> dict[str, Any] | None:
    """
    Return the attributes of the store that lies there, or None where nothing does.

    Raises
    ------
    DamagedStoreError
        a rendered store lies there, but its group's document is none.
    InputError
        something else lies there that is no store of sequences.
    """
    document = objects.read(ROOT)
    if document is None and objects.is_empty():
        return None
    fields = group_attributes(document) if document else None
    if fields is not None and fields.keys() >= _OF_EVERY_STORE:
        return fields
    if all(objects.read(f"{name}/{ROOT}", length=1) for name in _ARRAYS_OF_OURS_ALONE):
        state = "missing" if document is None else "damaged"
        raise DamagedStoreError(f"{objects.path}/{ROOT} is {state}; render the store again with --overwrite")
    what = "is no store of sequences" if document is None else f"its {ROOT} is not that of a store of sequences"
    raise InputError(f"{objects.path} exists and {what}; give another path")


_OF_EVERY_STORE = {"schema_version", "digest", "n", "complete"}
_ARRAYS_OF_OURS_ALONE = ("frames", "noise_ratio_measured")
"""What tells a rendered store that has lost its group's document from other people's data."""


def refuse_other_schema(path: str, fields: dict[str, Any]) -> None:
    """Raise InputError, and for a newer version NewerSchemaError, if this installation cannot read the attributes."""
    version = fields["schema_version"]
    said = f"{path} has schema version {shown(version)}, this installation reads {SCHEMA_VERSION}"
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise NewerSchemaError(f"{said}; upgrade stmoe-synth")
    if version != SCHEMA_VERSION:
        raise InputError(f"{said}; make the store anew with --overwrite")


def read_sprites(path: str, group: zarr.Group) -> NDArray[np.uint8] | None:
    """
    Return the sprites that travel in a store, or None where it has none.

    Raises
    ------
    DamagedStoreError
        their bytes fail a checksum.
    """
    array = group.get(SPRITES)
    if not isinstance(array, zarr.Array):
        return None
    try:
        return np.asarray(array[:], np.uint8)
    except InputError:
        raise
    except ValueError as error:  # what zarr raises for a checksum, without the name
        raise DamagedStoreError(
            f"{path}: {SPRITES} fail their checksum; mend them with `datagen verify {shlex.quote(path)} --repair`"
        ) from error


def _refuse_wrong_types(path: str, fields: dict[str, Any]) -> None:
    n, digest, complete = fields["n"], fields["digest"], fields["complete"]
    for name, right, what in (
        ("n", type(n) is int and n > 0, "a whole number above 0"),
        ("digest", isinstance(digest, str), "a text"),
        ("complete", isinstance(complete, bool), "true or false"),
    ):
        if not right:
            raise InputError(
                f"{path}/{ROOT}: attribute {name} is {shown(fields[name])}, not {what}; "
                "make the store anew with --overwrite"
            )


def _finishing_command(store: SequenceStore) -> str:
    if not store.rendered:
        return "the `trainer prepare` that began it"
    path = shlex.quote(store.path)
    return f"`datagen render --spec {path} --n {store.n} --out {path}`"
