"""One array of a store: where each sequence lies in which chunk of which object, and chunks whose checksum fits."""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Any, Final

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from schemas.errors import DamagedStoreError, InputError
from schemas.store import ITEM_BYTES
from trainer.data.objects import Bytes, Objects

Array = NDArray[Any]

CHECKSUM_BYTES: Final = 4
ENTRY_BYTES: Final = 16
"""Offset and length of a chunk in a shard's index."""
AROUND_BYTES: Final = 64 * 2**10
"""Of a mapped file that Linux at least brings into memory when one byte of them is read."""
MAX_INDICES = 4096
"""Shard indices kept at once, of every array."""


class StoredArray:
    """
    An array (sequence, ...) of a store.

    Its chunks hold whole sequences, alone or in shards, by the codecs of every store: `bytes` and `crc32c`. They are
    decoded here because zarr-python takes ten times as long as a memory map (benchmarks/stream.py), tensorstore seven
    times and zarr-python's pipeline `zarrs` four times.

    Parameters
    ----------
    objects : of the store
    name : of the array
    document : its Zarr v3 metadata
    remedy : what to do about damage

    Raises
    ------
    InputError
        the array is laid out or encoded in another way.
    """

    def __init__(self, objects: Objects, name: str, document: dict[str, Any], remedy: str) -> None:
        self.objects, self.name, self.remedy = objects, name, remedy
        try:
            self._read(document)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"{objects.path}: {name} is not stored as chunks of whole sequences with the codecs bytes and crc32c "
                f"({type(error).__name__}: {error}); give a store that datagen or `trainer prepare` wrote"
            ) from error
        self._index = lru_cache(MAX_INDICES)(self._read_index)
        self._sound: set[int] = set()
        """
        Mapped chunks whose checksum fits. A process checks each once: it takes as long as copying the sequences out,
        and would compare the same memory again.
        """

    def _read(self, document: dict[str, Any]) -> None:
        self.shape: tuple[int, ...] = tuple(document["shape"])
        """(sequence, ...)"""
        self.dtype = np.dtype(document["data_type"]).newbyteorder("<")
        self.dimensions: tuple[str, ...] = tuple(document["dimension_names"])
        if document["data_type"] not in ITEM_BYTES:
            raise ValueError(f"data type {document['data_type']}")
        if document["chunk_key_encoding"] not in _KEYS:
            raise ValueError(f"chunk keys {document['chunk_key_encoding']}")
        outer = tuple(document["chunk_grid"]["configuration"]["chunk_shape"])
        codec, *others = document["codecs"]
        self.sharded = codec["name"] == "sharding_indexed"
        shape = tuple(codec["configuration"]["chunk_shape"]) if self.sharded else outer
        if self.sharded:
            _require_codecs(codec["configuration"]["index_codecs"])
            if others or codec["configuration"].get("index_location", "end") != "end":
                raise ValueError("shards of another form")
        _require_codecs(codec["configuration"]["codecs"] if self.sharded else document["codecs"])
        if shape[1:] != self.shape[1:] or outer[1:] != self.shape[1:] or outer[0] % shape[0]:
            raise ValueError(f"chunks of {shape}")
        self.chunk_sequences: int = shape[0]
        self._chunk_bytes = self.chunk_sequences * self.sequence_bytes + CHECKSUM_BYTES
        self.chunks_per_object: int = outer[0] // shape[0]

    @property
    def sequence_bytes(self) -> int:
        """Bytes of one sequence."""
        return math.prod(self.shape[1:]) * int(self.dtype.itemsize)

    def chunks(self, numbers: Iterable[int]) -> Iterator[tuple[int, Array | DamagedStoreError]]:
        """
        Yield each chunk as a read-only array (sequence, ...), or what is wrong with it; those of one object at once.

        Parameters
        ----------
        numbers : of chunks, ascending; chunk c holds the sequences from c * chunk_sequences on
        """
        for key, group in groupby(numbers, lambda number: number // self.chunks_per_object):
            yield from self._chunks_of(key, list(group))

    def rows(self, start: int, stop: int) -> Array:
        """
        Return the sequences start .. stop-1.

        Raises
        ------
        DamagedStoreError
            a chunk is missing or fails its checksum.
        """
        length = self.chunk_sequences
        pieces = []
        for number, piece in self.chunks(range(start // length, -(-stop // length))):
            if isinstance(piece, DamagedStoreError):
                raise DamagedStoreError(f"{piece}; {self.remedy}")
            pieces.append(piece[max(start - number * length, 0) : stop - number * length])
        return np.concatenate(pieces) if pieces else np.empty((0, *self.shape[1:]), self.dtype)

    def known(self, numbers: Iterable[int]) -> bool:
        """Return whether these chunks are mapped and have been checked, so that reading them is hardly any work."""
        return self._sound.issuperset(numbers)

    def _chunks_of(self, unit: int, numbers: list[int]) -> Iterator[tuple[int, Array | DamagedStoreError]]:
        key = "/".join([self.name, "c", str(unit), *["0"] * (len(self.shape) - 1)])
        try:
            ranges = [self._range(key, number % self.chunks_per_object) for number in numbers]
            first, last = min(ranges)[0], max(ranges)[1]
            data = self.objects.read(key, first, last)
        except DamagedStoreError as error:
            yield from ((number, self._damage(number, str(error))) for number in numbers)
            return
        for number, (start, stop) in zip(numbers, ranges, strict=True):
            if data is None:
                yield number, self._damage(number, f"{key} is missing")
            else:
                yield number, self._checked(number, data[start - first : stop - first])

    def _checked(self, number: int, data: Bytes) -> Array | DamagedStoreError:
        if len(data) != self._chunk_bytes:
            return self._damage(number, f"cut after {len(data)} of {self._chunk_bytes} bytes")
        if number in self._sound:
            data[::AROUND_BYTES].max()  # brings it into memory, as the checksum does
        elif not _fits(data):
            return self._damage(number, "fails its checksum")
        elif self.objects.mapped:
            self._sound.add(number)
        values: Array = data[:-CHECKSUM_BYTES].view(self.dtype)
        return values.reshape(self.chunk_sequences, *self.shape[1:])

    def _damage(self, number: int, problem: str) -> DamagedStoreError:
        start = number * self.chunk_sequences
        stop = min(start + self.chunk_sequences, self.shape[0])
        return DamagedStoreError(
            f"{self.objects.path}: chunk {number} of {self.name} (sequences {start}-{stop - 1}): {problem}"
        )

    def _range(self, key: str, place: int) -> tuple[int, int]:
        """Return where a chunk begins and ends in its object; raises DamagedStoreError."""
        if not self.sharded:
            return 0, self._chunk_bytes
        offset, length = self._index(key)[place].tolist()
        if length != self._chunk_bytes:
            raise DamagedStoreError(f"{key} does not hold it")
        return offset, offset + length

    def _read_index(self, key: str) -> Array:
        size = self.chunks_per_object * ENTRY_BYTES + CHECKSUM_BYTES
        data = self.objects.read(key, -size)
        if data is None:
            raise DamagedStoreError(f"{key} is missing")
        if len(data) != size or not _fits(data):
            raise DamagedStoreError(f"{key} is damaged at its end")
        return data[:-CHECKSUM_BYTES].view("<u8").reshape(-1, 2)


_KEYS = ({"name": "default"}, {"name": "default", "configuration": {"separator": "/"}})


def _require_codecs(codecs: list[dict[str, Any]]) -> None:
    names = [codec["name"] for codec in codecs]
    endian = codecs[0].get("configuration", {}).get("endian", "little")
    if names != ["bytes", "crc32c"] or endian != "little":
        raise ValueError(f"codecs {', '.join(names)}")


def _fits(data: Bytes) -> bool:
    """Return whether bytes end with their own checksum."""
    # The package is untyped; its C code takes an array but no memoryview.
    body, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    return int(google_crc32c.value(body)) == int.from_bytes(checksum.tobytes(), "little")
