"""What is wrong with a store: its documents, the bytes of its objects, and sequences rendered again."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import Crc32cCodec

from datagen.rendering.sequence import Renderer
from datagen.storage.checksums import CHECKSUM_BYTES, checksum
from datagen.storage.machine import machine_type, machines_in
from datagen.storage.metadata import SPRITES, documents
from datagen.storage.objects import Objects
from datagen.storage.shards import ObjectLayout, object_layouts
from datagen.storage.store import SequenceStore
from datagen.storage.units import Unit, unit_at
from schemas.errors import DamagedStoreError, InputError
from schemas.store import unit_sequences

Array = NDArray[Any]

EDGE_SHARE = 1e-3
"""Share of the pixels of a mask or flow that another machine type may put on the other side of an edge."""


@dataclass(frozen=True)
class Damage:
    """One object that is not as it should be."""

    key: str
    unit: Unit
    problem: str

    def __str__(self) -> str:
        """Name object, unit and problem in one line."""
        return f"{self.key} ({self.unit}): {self.problem}"


def structure_problems(store: SequenceStore) -> Iterator[str]:
    """Yield what is wrong with a store's attributes, arrays and sprites."""
    if not store.rendered:
        yield from _problems_of_real_data(store)
        return
    if store.spec.digest != store.digest:
        yield f"attribute digest is {store.digest[:12]}…, the spec's is {store.spec.digest[:12]}…"
    expected = documents(store.attributes)
    for key, document in expected.items():
        yield from _differences(key, store.objects.read(key), document)
    try:
        Renderer(store.spec, store.sprites)
    except DamagedStoreError:
        yield f"{SPRITES} fail their checksum"
    except InputError as error:
        yield str(error)


def layouts_of(store: SequenceStore) -> Sequence[ObjectLayout]:
    """Return the layouts of a unit's objects, `frames` last, also of a store of real data."""
    if store.rendered:
        return object_layouts(store.spec)
    arrays = [array for _, array in store.group.arrays() if _dimensions(array)[:1] == ("sequence",)]
    layouts = sorted((ObjectLayout.of(array) for array in arrays), key=lambda layout: layout.name == "frames")
    if not layouts or layouts[-1].name != "frames":
        raise DamagedStoreError(f"{store.path} has no array frames (sequence, time, y, x)")
    return layouts


def damaged_objects(store: SequenceStore, layouts: Sequence[ObjectLayout], unit: Unit) -> list[Damage]:
    """Return the objects of a unit that are missing, cut, or fail a checksum; a unit without `frames` is missing."""
    objects = store.objects
    *others, marker = layouts
    if objects.read(marker.key(unit.index), length=1) is None:
        return [Damage(marker.key(unit.index), unit, "missing")]
    found = []
    for layout in (*others, marker):
        problem = _problem_of_object(objects, layout, unit)
        if problem:
            found.append(Damage(layout.key(unit.index), unit, problem))
    return found


def wrong_objects(store: SequenceStore, renderer: Renderer, sequence: int) -> list[Damage]:
    """
    Render a sequence again; return the objects that say otherwise.

    On the machine type that rendered the store every bit counts. On another one `frames` and `clean` may differ by one
    grey level, masks and flow at a few edges; parameters are exact everywhere.
    """
    spec = renderer.spec
    outputs = {name: np.empty((1, *layout.shape), layout.dtype) for name, layout in renderer.layouts.items()}
    renderer.render_into(sequence, outputs)
    exact = machines_in(store.attributes.produced_by) == {machine_type()}
    unit = unit_at(spec, store.n, sequence // unit_sequences(spec))
    return [
        Damage(layout.key(unit.index), unit, f"sequence {sequence} is not what the spec renders")
        for layout in object_layouts(spec)
        if _differs(layout.name, np.asarray(store[layout.name][sequence]), outputs[layout.name][0], exact=exact)
    ]


def _differences(key: str, found: bytes | None, expected: bytes) -> Iterator[str]:
    """Yield, field by field, how a document differs from the one that the attributes ask for."""
    try:
        document = json.loads(found or b"")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        yield f"{key} is {'damaged' if found else 'missing'}"
        return
    wanted = json.loads(expected)
    for field in sorted(wanted.keys() | document.keys()):
        if document.get(field) != wanted.get(field):
            yield f"{key}: {field} is not what the spec asks for"


def _problems_of_real_data(store: SequenceStore) -> Iterator[str]:
    for name, array in store.group.arrays():
        dimensions = _dimensions(array)
        if len(dimensions) != array.ndim:
            yield f"{name} has no dimension names"
        elif dimensions[:1] == ("sequence",) and array.shape[0] != store.n:
            yield f"{name} has {array.shape[0]} sequences, attribute n is {store.n}"
        if array.compressors != (Crc32cCodec(),):
            yield f"{name} has codecs {array.compressors}; the layout's are bytes and crc32c"


def _dimensions(array: zarr.Array[Any]) -> tuple[str, ...]:
    names = getattr(array.metadata, "dimension_names", None) or ()
    return tuple(name for name in names if name)


def _problem_of_object(objects: Objects, layout: ObjectLayout, unit: Unit) -> str:
    """Return what is wrong with an object, read chunk by chunk, or "" if nothing is."""
    key, chunks = layout.key(unit.index), layout.chunk_count(len(unit))
    for chunk in range(chunks):
        last = chunk == chunks - 1
        start = chunk * layout.chunk_bytes
        data = objects.read(key, start, None if last else layout.chunk_bytes)
        if data is None:
            return "missing"
        if len(data) < layout.chunk_bytes:
            return f"cut after {start + len(data)} of {layout.size(len(unit))} bytes"
        body = np.frombuffer(data, np.uint8, layout.chunk_bytes - CHECKSUM_BYTES)
        if checksum(body) != int.from_bytes(data[layout.chunk_bytes - CHECKSUM_BYTES : layout.chunk_bytes], "little"):
            return f"chunk {chunk} fails its checksum"
        if last and data[layout.chunk_bytes :] != layout.index(len(unit)):
            return "what follows the last chunk is damaged"
    return ""


def _differs(name: str, stored: Array, rendered: Array, *, exact: bool) -> bool:
    if exact:
        return stored.tobytes() != rendered.tobytes()
    match name:
        case "frames" | "clean":
            grey_level = 1.0 if stored.dtype == np.uint8 else 1 / 255
            return bool(np.abs(stored.astype(np.float64) - rendered).max() > grey_level)
        case "flow" | "mask" | "property_mask":
            return bool(np.mean(stored != rendered) > EDGE_SHARE)
        case "noise_ratio_measured":
            return not np.allclose(stored, rendered, rtol=1e-5, atol=0)
        case _:
            return stored.tobytes() != rendered.tobytes()
