"""One unit on its way to the store: pieces come in any order from any thread, and `frames` is committed last."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from datagen.storage.checksums import checksum, joined
from datagen.storage.objects import Objects
from datagen.storage.shards import ObjectLayout
from datagen.storage.units import Unit


class UnitWriter:
    """
    Write the objects of one unit.

    Pieces go straight to their place in files that lie aside (or in buffers, for object storage), so that memory holds
    no unit, only what each worker renders at the moment. Leaving the `with` block without a commit leaves nothing.

    Parameters
    ----------
    objects : where the store lies
    layouts : of every array; the last one is `frames`, the marker of a finished unit
    unit : what to write
    """

    def __init__(self, objects: Objects, layouts: Sequence[ObjectLayout], unit: Unit) -> None:
        self.unit = unit
        self.bytes = sum(layout.size(len(unit)) for layout in layouts)
        *self._others, self._marker = layouts
        self._parts: dict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        self._batches = [
            objects.batch({layout.key(unit.index): layout.size(len(unit)) for layout in group})
            for group in (self._others, [self._marker])
        ]

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Leave nothing behind that was not committed."""
        self.discard()

    def write(self, start: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        """
        Write sequences from number `start` on, all in one chunk of every array.

        Parameters
        ----------
        arrays : every array of the store, C-contiguous, leading dimension `sequence`
        """
        position = start - self.unit.start
        for batch, group in zip(self._batches, (self._others, [self._marker]), strict=True):
            for layout in group:
                data = arrays[layout.name].reshape(-1).view(np.uint8)
                self._parts[layout.name][position] = (checksum(data), data.nbytes)
                batch.write(layout.key(self.unit.index), layout.offset(position), data)

    def commit(self) -> None:
        """Add checksums and indices; put the objects in their places, `frames` after all others."""
        for batch, group in zip(self._batches, (self._others, [self._marker]), strict=True):
            for layout in group:
                for offset, data in self._endings(layout):
                    batch.write(layout.key(self.unit.index), offset, np.frombuffer(data, np.uint8))
            batch.commit()

    def discard(self) -> None:
        """Leave nothing behind; does nothing after a commit."""
        for batch in self._batches:
            batch.discard()

    def _endings(self, layout: ObjectLayout) -> list[tuple[int, bytes]]:
        """Return (offset, bytes) of every chunk's checksum and of the index."""
        chunks: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for position, part in sorted(self._parts[layout.name].items()):
            chunks[position // layout.chunk_sequences].append(part)
        endings = []
        for chunk, parts in chunks.items():
            padding = layout.chunk_sequences * layout.sequence_bytes - sum(length for _, length in parts)
            after = (chunk + 1) * layout.chunk_bytes
            sealed = joined(parts, padding)
            endings.append((after - len(sealed), sealed))
        endings.append((layout.chunk_count(len(self.unit)) * layout.chunk_bytes, layout.index(len(self.unit))))
        return endings
