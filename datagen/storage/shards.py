"""Where each byte of an object lies: chunks, each with its checksum, then the index of the shard, as zarr does it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr

from datagen.storage.checksums import CHECKSUM_BYTES, checksum, joined
from schemas.errors import DamagedStoreError
from schemas.render import RenderSpec
from schemas.store import chunk_sequences, frame_layouts, table_layouts, unit_sequences

_ABSENT = np.uint64(2**64 - 1)
"""Offset and length, in a shard's index, of a chunk that is not there."""


@dataclass(frozen=True)
class ObjectLayout:
    """The bytes of one array in one unit: one object."""

    name: str
    rank: int
    sequence_bytes: int
    chunk_sequences: int
    unit_sequences: int
    sharded: bool
    """Chunks and an index; otherwise the one chunk alone."""

    @classmethod
    def of(cls, array: zarr.Array[Any]) -> "ObjectLayout":
        """
        Return the layout of an array whose chunks hold whole sequences.

        Raises
        ------
        DamagedStoreError
            the array's chunks cut through sequences.
        """
        name = array.name.lstrip("/")
        if array.chunks[1:] != array.shape[1:]:
            raise DamagedStoreError(f"{name} has chunks of {array.chunks}; whole sequences are {array.shape[1:]}")
        return cls(
            name=name,
            rank=array.ndim,
            sequence_bytes=math.prod(array.shape[1:]) * array.dtype.itemsize,
            chunk_sequences=array.chunks[0],
            unit_sequences=array.shards[0] if array.shards else array.chunks[0],
            sharded=array.shards is not None,
        )

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk with its checksum."""
        return self.chunk_sequences * self.sequence_bytes + CHECKSUM_BYTES

    def key(self, unit_index: int) -> str:
        """Return the object's key in the store, e.g. frames/c/3/0/0/0."""
        return f"{self.directory}/{unit_index}" + "/0" * (self.rank - 1)

    @property
    def directory(self) -> str:
        """What the keys of all units start with, e.g. frames/c."""
        return f"{self.name}/c"

    def chunk_count(self, length: int) -> int:
        """Return the chunks of a unit with `length` sequences; the last is padded with zeros, the rest are absent."""
        return -(-length // self.chunk_sequences)

    def offset(self, position: int) -> int:
        """Return the byte at which sequence `position` of the unit begins."""
        chunk, within = divmod(position, self.chunk_sequences)
        return chunk * self.chunk_bytes + within * self.sequence_bytes

    def size(self, length: int) -> int:
        """Return the bytes of the object of a unit with `length` sequences."""
        return self.chunk_count(length) * self.chunk_bytes + len(self.index(length))

    def index(self, length: int) -> bytes:
        """Return the index at the end of a shard: offset and bytes of every chunk, and its own checksum."""
        if not self.sharded:
            return b""
        entries = np.full((self.unit_sequences // self.chunk_sequences, 2), _ABSENT, dtype="<u8")
        present = self.chunk_count(length)
        entries[:present, 0] = np.arange(present) * self.chunk_bytes
        entries[:present, 1] = self.chunk_bytes
        return entries.tobytes() + joined([(checksum(entries), entries.nbytes)])


def object_layouts(spec: RenderSpec) -> tuple[ObjectLayout, ...]:
    """Return the layouts of a unit's objects: the table's columns, the truth arrays and, last, `frames`."""
    unit = unit_sequences(spec)
    columns = [(layout, unit, False) for layout in table_layouts(spec)]
    videos = [(layout, chunk_sequences(spec), True) for layout in frame_layouts(spec)]
    return tuple(
        ObjectLayout(
            name=layout.name,
            rank=len(layout.dimensions),
            sequence_bytes=layout.sequence_bytes,
            chunk_sequences=chunk,
            unit_sequences=unit,
            sharded=sharded,
        )
        for layout, chunk, sharded in columns + videos
    )
