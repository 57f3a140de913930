"""
The store that a render writes into: locked, made, resumed, extended or refused, and at last marked complete.

What a killed process leaves behind must never be mistaken for data. The group's document says what the store is, and a
unit is done when its `frames` object is there; so the order of the steps is all that matters:

- A new store: the group's document first (not complete), or what a kill leaves would not be known for a store.
- A larger n: the group's document (not complete, still the old n), so that readers refuse; then the marker of the last
  unit is deleted if that unit is partial, since its objects end too early for the new n; only then the new n, and the
  longer arrays. A kill before the new n leaves an incomplete store of the old n, a kill after it one of the new n; in
  both the partial unit counts as missing, and whichever n is asked for next rewrites the arrays' documents.
- `overwrite`: the group's document (not complete), then everything else is deleted, then a new store is made.
- The end: `complete` is put when no unit is missing, with everything else in the group's document, by one put.
"""

import errno
import logging
import os
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import zarr
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from datagen.storage.checksums import checksum, joined
from datagen.storage.local_objects import LocalObjects
from datagen.storage.machine import machine_type, machines_in, produced
from datagen.storage.metadata import ROOT, SPRITES, documents, group_attributes, root_document, sprites_per_chunk
from datagen.storage.objects import Objects
from datagen.storage.shards import object_layouts
from datagen.storage.store import read_sprites, refuse_other_schema, stored_fields
from datagen.storage.units import Unit, unit_at, unit_count, units
from schemas.errors import DamagedStoreError, InputError, LockedStoreError, SpecMismatchError
from schemas.render import SCHEMA_VERSION, RenderSpec
from schemas.store import StoreAttributes, unit_sequences

_log = logging.getLogger(__name__)

Sprites = NDArray[np.uint8]


@dataclass
class Target:
    """A store under way; only the process that holds the lock has one."""

    objects: Objects
    attributes: StoreAttributes
    spec: RenderSpec
    finished: Container[int]
    """Units that need not be rendered."""
    resumed: int
    """Sequences in those units."""

    def missing(self) -> Iterator[Unit]:
        """Yield the units that are not finished, in order."""
        return (unit for unit in units(self.spec, self.attributes.n) if unit.index not in self.finished)

    def sweep(self) -> None:
        """Delete what lost workers left aside in any unit."""
        _sweep(self.objects, self.spec, ())

    def complete(self, machines: set[str]) -> None:
        """
        Mark the store complete.

        Parameters
        ----------
        machines : the types of the machines that rendered the missing units
        """
        by = _joined_by(self.attributes.produced_by, machines)
        _put_root(self.objects, self.attributes.model_copy(update={"complete": True, "produced_by": by}))


@contextmanager
def locked(objects: Objects) -> Iterator[None]:
    """
    Hold the lock beside a local store; object storage has none: two renders of one spec put the same bytes there.

    Raises
    ------
    LockedStoreError
        another process writes the store; the message names the lock.
    """
    if not isinstance(objects, LocalObjects):
        yield
        return
    place = objects.root.resolve()  # one lock however the store is called
    lock = place.with_name(place.name + ".lock")
    with objects.writing():
        place.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, blocking=False)
    with objects.writing():
        try:
            held.acquire()
        except Timeout:  # an OSError too
            if not lock.exists():  # filelock takes a folder that bears no files for one that is being deleted
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(lock)) from None
            raise LockedStoreError(
                f"{objects.path} is being written by another process, which holds {lock}; "
                "wait for it or give another path"
            ) from None
    try:
        yield
    finally:
        held.release()


def stored_sprites(objects: Objects) -> Sprites | None:
    """Return the sprites of the store that lies there, or None where there is no store, or it has none."""
    document = objects.read(ROOT)
    if document is None or group_attributes(document) is None:
        return None
    return read_sprites(objects.path, zarr.open_group(objects.store(), mode="r"))


def begin(
    objects: Objects, spec: RenderSpec, n: int, sprites: Sprites | None, *, overwrite: bool, program: str
) -> Target:
    """
    Make, resume, extend or overwrite the store, so that only units are missing.

    Parameters
    ----------
    sprites : the images that the spec names, put into the store unless they lie there; None if it names none
    overwrite : whether to delete a store that lies there
    program : what produces the store

    Raises
    ------
    SpecMismatchError
        a store of another spec lies there; the message holds both digests.
    DamagedStoreError
        a store whose group has lost its document lies there, and is not to be overwritten.
    InputError
        n is smaller than the store's, something that is no store lies there, or it cannot be written.
    """
    unit_count(spec, n)
    if overwrite:
        _clear(objects)
    fields = None if overwrite else stored_fields(objects)
    if fields is None:
        attributes = _new_attributes(spec, n, program)
    else:
        attributes = _accepted(objects, fields, spec, n)
        if attributes.complete and attributes.n == n:
            if _holds(objects, sprites):
                return Target(objects, attributes, spec, range(unit_count(spec, n)), n)
            _log.info("the sprites in %s are damaged and are put there again", objects.path)
        attributes = _reopened(objects, attributes, spec, n)
    everything = documents(attributes)
    objects.put({ROOT: everything.pop(ROOT)})
    objects.put(everything)
    if sprites is not None:
        _put_sprites(objects, spec, sprites)
    finished = _finished_units(objects, spec, n)
    _sweep(objects, spec, finished)
    return Target(objects, attributes, spec, finished, sum(len(unit_at(spec, n, index)) for index in finished))


def cancel(objects: Objects) -> None:
    """Mark a store that is not complete as one that the service is not to finish; the caller holds its lock."""
    fields = stored_fields(objects)
    if fields is not None and not fields["complete"]:
        _put_root(objects, StoreAttributes.parse({**fields, "cancelled": True}, f"{objects.path} attributes"))


def condemn(objects: Objects, attributes: StoreAttributes, damaged: Iterable[Unit]) -> None:
    """Mark a store incomplete and units of it missing, so that the next render makes them anew."""
    with locked(objects):
        _put_root(objects, attributes.model_copy(update={"complete": False}))
        marker = object_layouts(attributes.render_spec)[-1]
        for unit in damaged:
            objects.delete(marker.key(unit.index))


def package_version() -> str:
    """Return the version of stmoe-synth, or 0+unknown where it is not installed."""
    try:
        return version("stmoe-synth")
    except PackageNotFoundError:
        return "0+unknown"


def _new_attributes(spec: RenderSpec, n: int, program: str) -> StoreAttributes:
    return StoreAttributes(
        schema_version=SCHEMA_VERSION,
        spec=spec.model_dump(mode="json"),
        digest=spec.digest,
        n=n,
        package_version=package_version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        produced_by=produced(program, {machine_type()}),
        complete=False,
    )


def _accepted(objects: Objects, fields: dict[str, Any], spec: RenderSpec, n: int) -> StoreAttributes:
    """Return the attributes of a store that this spec and n may go on with."""
    refuse_other_schema(objects.path, fields)
    if fields["digest"] != spec.digest:
        source = "rendered from spec" if "spec" in fields else "prepared from recipe"
        raise SpecMismatchError(
            f"{objects.path} was {source} {str(fields['digest'])[:12]}…, this command's spec is {spec.digest[:12]}…; "
            "use another path or --overwrite"
        )
    attributes = StoreAttributes.parse(fields, f"{objects.path} attributes")
    if n < attributes.n:
        raise InputError(
            f"{objects.path} has n = {attributes.n}, this command's n is {n}; give {attributes.n} or more, "
            "another path, or --overwrite"
        )
    return attributes


def _reopened(objects: Objects, attributes: StoreAttributes, spec: RenderSpec, n: int) -> StoreAttributes:
    """Mark a store incomplete, and its partial last unit missing if n grows; the module's docstring says why so."""
    old_n = attributes.n
    by = _joined_by(attributes.produced_by, {machine_type()})
    attributes = attributes.model_copy(update={"complete": False, "produced_by": by, "cancelled": False})
    if n > old_n:
        _put_root(objects, attributes)
        if old_n % unit_sequences(spec):
            objects.delete(object_layouts(spec)[-1].key(old_n // unit_sequences(spec)))
    return attributes.model_copy(update={"n": n})


def _joined_by(produced_by: str, machines: set[str]) -> str:
    program, _, _ = produced_by.partition(" on ")
    return produced(program, machines | machines_in(produced_by))


def _clear(objects: Objects) -> None:
    """Delete a store that lies there, in an order that leaves an incomplete store at every moment."""
    try:
        fields = stored_fields(objects)
    except DamagedStoreError:
        # A digest that is no spec's: what a kill leaves must not be taken for units of the new one.
        fields = {"schema_version": SCHEMA_VERSION, "digest": "", "n": 1}
    if fields is not None:
        objects.put({ROOT: root_document({**fields, "complete": False}, {})})
        objects.clear(keep=ROOT)


def _put_root(objects: Objects, attributes: StoreAttributes) -> None:
    objects.put({ROOT: documents(attributes)[ROOT]})


def _holds(objects: Objects, sprites: Sprites | None) -> bool:
    """Say whether these sprites, if any, lie in a store, whole."""
    if sprites is None:
        return True
    try:
        stored = stored_sprites(objects)
    except DamagedStoreError:
        return False
    return stored is not None and np.array_equal(stored, sprites)


def _put_sprites(objects: Objects, spec: RenderSpec, sprites: Sprites) -> None:
    """Put the stack chunk by chunk, the last one padded with zeros."""
    if spec.sprites is None:
        return
    count = sprites_per_chunk(spec.sprites)
    for chunk, start in enumerate(range(0, len(sprites), count)):
        images = np.zeros((count, *sprites.shape[1:]), np.uint8)
        images[: len(sprites) - start] = sprites[start : start + count]
        objects.put({f"{SPRITES}/c/{chunk}/0/0": images.tobytes() + joined([(checksum(images), images.nbytes)])})


def _finished_units(objects: Objects, spec: RenderSpec, n: int) -> set[int]:
    """
    Return the units whose marker is there, and whole.

    Files are not flushed to the disk one by one, so a power cut may leave some that are too short.
    """
    marker = object_layouts(spec)[-1]
    count = unit_count(spec, n)
    finished = set()
    for key, size in objects.sizes(marker.directory):
        index = key.removeprefix(marker.directory + "/").partition("/")[0]
        if index.isdigit() and int(index) < count and size == marker.size(len(unit_at(spec, n, int(index)))):
            finished.add(int(index))
    return finished


def _sweep(objects: Objects, spec: RenderSpec, finished: Container[int]) -> None:
    """Delete what killed renders left aside."""
    objects.sweep("", finished)
    for name in (SPRITES, *(layout.name for layout in object_layouts(spec))):
        objects.sweep(name, finished)
        objects.sweep(f"{name}/c", () if name == SPRITES else finished)  # chunks of sprites are no units
