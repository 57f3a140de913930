"""The one way a unit is rendered, on threads of this process or on a cluster: piece by piece into a writer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datagen.rendering.sequence import Renderer
from datagen.storage.objects import Objects
from datagen.storage.shards import object_layouts
from datagen.storage.unit_writer import UnitWriter
from datagen.storage.units import Piece, Unit, pieces
from schemas.store import chunk_sequences

PIECE_BYTES = 8 * 2**20
"""Upper bound of what one worker holds at a time, all arrays together; larger pieces are no faster."""
PIECES_PER_WORKER = 8
"""Even a short render has at least so many pieces for each worker, so that all finish at about the same time."""

Scratch = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class UnitDone:
    """A committed unit."""

    unit: Unit
    kernel_seconds: float
    """Time in the renderer, summed over the workers that shared the unit."""
    bytes: int
    machine: str


class UnitRenderer:
    """
    Render units of one spec into one store.

    Parameters
    ----------
    renderer : of the spec
    objects : of the store
    before_each : is called before each sequence
    """

    def __init__(self, renderer: Renderer, objects: Objects, before_each: Callable[[], None] | None = None) -> None:
        self.renderer = renderer
        self.objects = objects
        self._before_each = before_each
        self.layouts = object_layouts(renderer.spec)

    def piece_length(self, sequences: int, workers: int) -> int:
        """Return how many sequences a worker renders at once when so many are shared by so many workers."""
        fit = PIECE_BYTES // sum(layout.sequence_bytes for layout in self.layouts)
        fair = sequences // (workers * PIECES_PER_WORKER)
        length = max(1, min(chunk_sequences(self.renderer.spec), fit, fair))
        return 1 << (length.bit_length() - 1)  # a power of two divides the chunk

    def scratch(self, length: int) -> Scratch:
        """Return arrays for pieces of up to `length` sequences; every worker keeps its own and fills it again."""
        layouts = self.renderer.layouts.values()
        return {layout.name: np.empty((length, *layout.shape), layout.dtype) for layout in layouts}

    def writer(self, unit: Unit) -> UnitWriter:
        """Return a writer for a unit."""
        return UnitWriter(self.objects, self.layouts, unit)

    def render_piece(self, piece: Piece, writer: UnitWriter, scratch: Scratch) -> float:
        """Render and write one piece; return the seconds that the renderer took."""
        arrays = {name: array[: len(piece)] for name, array in scratch.items()}
        before = perf_counter()
        self._render_into(piece.start, arrays)
        seconds = perf_counter() - before
        writer.write(piece.start, arrays)
        return seconds

    def _render_into(self, start: int, arrays: Scratch) -> None:
        if self._before_each is None:
            self.renderer.render_into(start, arrays)
            return
        self.renderer.render_each(start, arrays, self._before_each)

    def render(self, unit: Unit, machine: str) -> UnitDone:
        """Render and commit a whole unit in this thread."""
        length = self.piece_length(len(unit), workers=1)
        scratch = self.scratch(length)
        with self.writer(unit) as writer:
            seconds = sum(self.render_piece(piece, writer, scratch) for piece in pieces(unit, length))
            writer.commit()
        return UnitDone(unit, seconds, writer.bytes, machine)
