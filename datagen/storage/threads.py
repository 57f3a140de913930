"""Units on threads of this process: all of them share a unit, and the next unit begins while the last is committed."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from datagen.storage.machine import machine_type
from datagen.storage.unit_renderer import UnitDone, UnitRenderer
from datagen.storage.unit_writer import UnitWriter
from datagen.storage.units import Piece, Unit, pieces
from schemas.store import unit_sequences

STAGE_THREADS = 3
"""Threads that open and commit units: little work on a local disk, waiting for uploads in object storage."""
IN_MEMORY_BYTES = 256 * 2**20
"""Upper bound of the units under way where a unit is held in memory until it is uploaded, at least one unit."""


def render_on_threads(
    renderer: UnitRenderer, units: Iterator[Unit], *, sequences: int, workers: int
) -> Generator[UnitDone, None, None]:
    """
    Render units and yield each once it is committed.

    Closing the iterator, or an interrupt while it waits, stops the workers after the piece they are at and leaves no
    unit half written.

    Parameters
    ----------
    sequences : in all units together
    workers : threads that render
    """
    crew = _Crew(renderer, units, sequences, workers)
    try:
        yield from crew.results()
    finally:
        crew.stop()


class _OpenUnit:
    """A unit under way."""

    def __init__(self, writer: UnitWriter, length: int) -> None:
        self.writer = writer
        self.pieces = deque(pieces(writer.unit, length))
        self.unwritten = len(self.pieces)
        self.kernel_seconds = 0.0


class _Crew:
    """
    The workers, who render pieces of open units, and the stage threads, who open and commit units.

    `_changed` guards everything below it; nobody holds it while rendering, writing or opening.
    """

    def __init__(self, renderer: UnitRenderer, units: Iterator[Unit], sequences: int, workers: int) -> None:
        self._renderer = renderer
        self._length = renderer.piece_length(sequences, workers)
        self._results: SimpleQueue[UnitDone | BaseException | None] = SimpleQueue()
        self._changed = threading.Condition()
        self._units = units
        self._open: dict[int, _OpenUnit] = {}
        self._under_way = 0
        self._stopped = False
        self._stage = ThreadPoolExecutor(STAGE_THREADS, thread_name_prefix="stage")
        self._workers = [threading.Thread(target=self._guarded, args=(self._work,)) for _ in range(workers)]
        for worker in self._workers:
            worker.start()
        for _ in range(self._most_open(workers)):
            self._stage.submit(self._guarded, self._open_next)

    def results(self) -> Iterator[UnitDone]:
        """Yield committed units until all are; raise what went wrong in a thread."""
        while (result := self._results.get()) is not None:
            if isinstance(result, BaseException):
                raise result
            yield result

    def stop(self) -> None:
        """Stop every thread after what it is at, and discard what is not committed."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for worker in self._workers:
            worker.join()
        self._stage.shutdown(cancel_futures=True)
        for unit in self._open.values():
            unit.writer.discard()

    def _most_open(self, workers: int) -> int:
        """Return how many units may be under way: those being rendered, one opened ahead, one being committed."""
        longest = unit_sequences(self._renderer.renderer.spec)
        most = -(-workers * self._length // longest) + 2
        if self._renderer.objects.in_memory:
            unit_bytes = sum(layout.size(longest) for layout in self._renderer.layouts)
            most = max(1, min(most, IN_MEMORY_BYTES // unit_bytes))
        return most

    def _guarded(self, task: Callable[..., None], *arguments: Any) -> None:
        """Run a thread's task and hand what goes wrong to the thread that waits for results."""
        try:
            task(*arguments)
        except BaseException as error:  # noqa: BLE001  # a worker's border: results() raises it
            self._results.put(error)

    def _open_next(self) -> None:
        with self._changed:
            if self._stopped:
                return
            unit = next(self._units, None)
            if unit is None:
                if not self._under_way:
                    self._results.put(None)
                return
            self._under_way += 1
        opened = _OpenUnit(self._renderer.writer(unit), self._length)
        with self._changed:
            self._open[unit.index] = opened
            self._changed.notify_all()

    def _work(self) -> None:
        scratch = self._renderer.scratch(self._length)
        while taken := self._take():
            unit, piece = taken
            seconds = self._renderer.render_piece(piece, unit.writer, scratch)
            with self._changed:
                unit.kernel_seconds += seconds
                unit.unwritten -= 1
                whole = not unit.unwritten
            if whole:
                self._stage.submit(self._guarded, self._commit, unit)

    def _take(self) -> tuple[_OpenUnit, Piece] | None:
        """Wait for a piece to render; None when it is time to stop."""
        with self._changed:
            while not self._stopped:
                for unit in self._open.values():
                    if unit.pieces:
                        return unit, unit.pieces.popleft()
                self._changed.wait()
        return None

    def _commit(self, unit: _OpenUnit) -> None:
        unit.writer.commit()
        with self._changed:
            del self._open[unit.writer.unit.index]
            self._under_way -= 1
        self._results.put(UnitDone(unit.writer.unit, unit.kernel_seconds, unit.writer.bytes, machine_type()))
        self._open_next()
