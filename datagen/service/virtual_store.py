"""A spec as a Zarr store that lies nowhere: documents from its attributes, chunks rendered when they are read."""

import json
import threading
from collections.abc import Mapping
from functools import lru_cache, partial

import numpy as np

from datagen.service.pool import go_on_unless
from datagen.service.settings import PROGRAM
from datagen.service.sprites import renderer_of, sprites_of
from datagen.storage.checksums import checksum, joined
from datagen.storage.metadata import ROOT, SPRITES, documents, sprites_per_chunk
from datagen.storage.target import package_version
from schemas.render import MAX_SEQUENCES, SCHEMA_VERSION, RenderSpec
from schemas.store import ArrayLayout, StoreAttributes, chunk_sequences, frame_layouts, table_layouts, unit_sequences

CHECKSUM_BYTES = 4
NEVER = "1970-01-01T00:00:00+00:00"
"""When a virtual store was created: its documents do not depend on who asks first."""


class VirtualStore:
    """
    The objects of one spec.

    Chunks are those of a store on disk without shards, and the last one is whole too, so that a chunk does not depend
    on n.

    Parameters
    ----------
    spec : of the sequences

    Raises
    ------
    RefusedError
        the service has not got the sprites that the spec names.
    """

    def __init__(self, spec: RenderSpec) -> None:
        self.spec = spec
        self._renderer = renderer_of(spec)
        pictures = {layout.name: (layout, chunk_sequences(spec)) for layout in frame_layouts(spec)}
        columns = {layout.name: (layout, unit_sequences(spec)) for layout in table_layouts(spec)}
        self._arrays = {**pictures, **columns}
        self._together = tuple(pictures)
        """Arrays that are rendered at once: who reads frames reads their truth too."""

    @lru_cache(16)  # noqa: B019  # a store lives as long as its cache
    def documents(self, n: int) -> Mapping[str, bytes]:
        """Return the documents of a store of n sequences by key."""
        attributes = StoreAttributes(
            schema_version=SCHEMA_VERSION,
            spec=self.spec.model_dump(mode="json"),
            digest=self.spec.digest,
            n=n,
            package_version=package_version(),
            created=NEVER,
            produced_by=PROGRAM,
            complete=True,
        )
        return documents(attributes, sharded=False)

    def holds(self, key: str, n: int) -> bool:
        """Return whether a key is that of a chunk of a store of n sequences."""
        name, number = _chunk_of(key)
        if number is None:
            return False
        if name == SPRITES and self.spec.sprites:
            return key.endswith("/0/0") and number * sprites_per_chunk(self.spec.sprites) < self.spec.sprites.count
        if name not in self._arrays:
            return False
        layout, length = self._arrays[name]
        return number * length < n and key == _key(layout, number)

    def size(self, key: str) -> int:
        """Return the bytes of a chunk that the store holds, without rendering it."""
        name, _ = _chunk_of(key)
        if name == SPRITES and (named := self.spec.sprites):
            return sprites_per_chunk(named) * named.height * named.width + CHECKSUM_BYTES
        layout, length = self._arrays[name]
        return length * layout.sequence_bytes + CHECKSUM_BYTES

    def render(self, key: str, stop: threading.Event) -> Mapping[str, bytes]:
        """
        Return the bytes of a chunk by its key, and of those that come with it.

        Parameters
        ----------
        key : that the store holds
        stop : is looked at before every sequence

        Raises
        ------
        GoneError
            the event was set.
        """
        name, number = _chunk_of(key)
        assert number is not None  # noqa: S101  # the caller has asked
        if name == SPRITES:
            return {key: self._sprites(number)}
        length = self._arrays[name][1]
        names = self._together if name in self._together else (name,)
        outputs = {
            each: np.zeros((length, *self._arrays[each][0].shape), self._arrays[each][0].dtype) for each in names
        }
        start = number * length
        there = min(length, MAX_SEQUENCES - start)
        self._renderer.render_each(
            start, {each: array[:there] for each, array in outputs.items()}, partial(go_on_unless, stop)
        )
        return {_key(self._arrays[each][0], number): _sealed(array) for each, array in outputs.items()}

    def _sprites(self, number: int) -> bytes:
        stack, named = sprites_of(self.spec), self.spec.sprites
        assert stack is not None and named is not None  # noqa: S101, PT018  # the key says so
        length = sprites_per_chunk(named)
        images = np.zeros((length, named.height, named.width), np.uint8)
        part = stack[number * length : (number + 1) * length]
        images[: len(part)] = part
        return _sealed(images)


def is_document(key: str) -> bool:
    """Return whether a key is that of a group's or an array's document."""
    return key == ROOT or key.endswith(f"/{ROOT}")


def registered(text: str) -> RenderSpec:
    """Return a spec from the JSON that the service keeps of it."""
    return RenderSpec.parse(json.loads(text), "registered spec")


def _chunk_of(key: str) -> tuple[str, int | None]:
    """Return the array and the number of a chunk's key, e.g. frames/c/3/0/0/0; None where it is none."""
    name, _, rest = key.partition("/c/")
    number = rest.partition("/")[0]
    return name, int(number) if number.isascii() and number.isdigit() and len(number) < 20 else None


def _key(layout: ArrayLayout, number: int) -> str:
    return f"{layout.name}/c/{number}" + "/0" * len(layout.shape)


def _sealed(array: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]") -> bytes:
    """Return an array's bytes with their checksum behind them, as zarr stores a chunk."""
    return array.tobytes() + joined([(checksum(array.reshape(-1).view(np.uint8)), array.nbytes)])
