"""Units on threads: each committed once and whole, work shared, errors handed on, and no thread or half unit left."""

import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.rendering.sequence import Renderer
from datagen.storage.local_objects import LocalObjects
from datagen.storage.threads import render_on_threads
from datagen.storage.unit_renderer import Scratch, UnitRenderer
from datagen.storage.unit_writer import UnitWriter
from datagen.storage.units import Piece, Unit, unit_at, units
from schemas.errors import InputError
from schemas.render import MAX_SEQUENCES
from tests.stores import chunks_of, files_of, leftovers_of, tiny_spec

SPEC = tiny_spec()
UNIT = 32
"""Sequences of a unit in every test here."""
SECONDS = 60
"""How long a test waits for what must happen."""


@pytest.fixture(autouse=True)
def _units_of_32() -> Iterator[None]:
    with chunks_of(2):
        yield


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert {thread for thread in threading.enumerate() if thread not in before} == set()


def rendered_by(renderer: UnitRenderer, n: int, workers: int) -> list[Unit]:
    rendering = render_on_threads(renderer, units(SPEC, n), sequences=n, workers=workers)
    return [done.unit for done in rendering]


def renderer_of(root: Path) -> UnitRenderer:
    return UnitRenderer(Renderer(SPEC), LocalObjects(root))


@given(n=st.integers(1, 4 * UNIT), workers=st.integers(1, 5))
@settings(max_examples=8)
def test_every_unit_is_committed_once_with_the_bytes_of_one_thread(
    n: int, workers: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    alone, together = (renderer_of(tmp_path_factory.mktemp(name)) for name in ("alone", "together"))
    for unit in units(SPEC, n):
        alone.render(unit, "here")
    assert sorted(rendered_by(together, n, workers), key=lambda unit: unit.index) == list(units(SPEC, n))
    assert files_of(Path(together.objects.path)) == files_of(Path(alone.objects.path))


def test_what_is_yielded_is_committed(tmp_path: Path) -> None:
    renderer = renderer_of(tmp_path)
    rendering = render_on_threads(renderer, units(SPEC, 5 * UNIT), sequences=5 * UNIT, workers=2)
    for done in rendering:
        keys = {layout.key(done.unit.index): layout.size(len(done.unit)) for layout in renderer.layouts}
        assert {key: (tmp_path / key).stat().st_size for key in keys} == keys
        assert done.bytes == sum(keys.values())
        assert done.kernel_seconds > 0


def test_all_workers_share_a_unit(tmp_path: Path) -> None:
    """Three pieces of the only unit wait for each other, which only three threads can end."""
    meeting = threading.Barrier(3, timeout=SECONDS)

    class Meeting(UnitRenderer):
        def render_piece(self, piece: Piece, writer: UnitWriter, scratch: Scratch) -> float:
            if piece.start < 3 * len(piece):
                meeting.wait()
            return super().render_piece(piece, writer, scratch)

    rendered_by(Meeting(Renderer(SPEC), LocalObjects(tmp_path)), UNIT, workers=3)
    assert (tmp_path / "frames/c/0/0/0/0").exists()


def test_the_next_unit_is_rendered_while_the_last_is_committed(tmp_path: Path) -> None:
    second_begun = threading.Event()

    class SlowCommit(UnitWriter):
        def commit(self) -> None:
            assert self.unit.index or second_begun.wait(SECONDS)
            super().commit()

    class Watching(UnitRenderer):
        def writer(self, unit: Unit) -> UnitWriter:
            return SlowCommit(self.objects, self.layouts, unit)

        def render_piece(self, piece: Piece, writer: UnitWriter, scratch: Scratch) -> float:
            if writer.unit.index == 1:
                second_begun.set()
            return super().render_piece(piece, writer, scratch)

    assert len(rendered_by(Watching(Renderer(SPEC), LocalObjects(tmp_path)), 2 * UNIT, workers=1)) == 2


def test_units_are_taken_as_they_are_needed_however_many_there_are(tmp_path: Path) -> None:
    taken = count()

    def endless() -> Iterator[Unit]:
        return (unit_at(SPEC, MAX_SEQUENCES, next(taken)) for _ in count())

    with closing(render_on_threads(renderer_of(tmp_path), endless(), sequences=MAX_SEQUENCES, workers=2)) as rendering:
        # A consumer that waits holds nothing back: more than three may be committed by now.
        assert len(list(islice(rendering, 3))) == 3
    committed = {int(key.split("/")[2]) for key in files_of(tmp_path) if key.startswith("frames/")}
    assert next(taken) <= len(committed) + 3
    assert leftovers_of(tmp_path) == []


class Broken(UnitRenderer):
    """Fail in the second unit: when it is opened, rendered or committed."""

    def __init__(self, root: Path, where: str, error: BaseException) -> None:
        super().__init__(Renderer(SPEC), LocalObjects(root))
        self.where, self.error = where, error

    def writer(self, unit: Unit) -> UnitWriter:
        if unit.index == 1 and self.where == "opened":
            raise self.error
        writer = super().writer(unit)
        if unit.index == 1 and self.where == "committed":
            writer.commit = self.refuse  # type: ignore[method-assign]
        return writer

    def render_piece(self, piece: Piece, writer: UnitWriter, scratch: Scratch) -> float:
        if piece.start > UNIT and self.where == "rendered":
            raise self.error
        return super().render_piece(piece, writer, scratch)

    def refuse(self) -> Any:
        raise self.error


@pytest.mark.parametrize("where", ["opened", "rendered", "committed"])
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("error", [InputError("the world is full"), MemoryError("no more"), SystemExit(3)], ids=type)
def test_an_error_in_a_thread_is_raised_here_and_leaves_whole_units_alone(
    where: str, workers: int, error: BaseException, tmp_path: Path
) -> None:
    root = tmp_path / "a"
    with pytest.raises(type(error)) as raised:
        rendered_by(Broken(root, where, error), 6 * UNIT, workers)
    assert raised.value is error
    assert_only_whole_units(root)
    assert not (root / "frames/c/1/0/0/0").exists()


def assert_only_whole_units(root: Path) -> None:
    """Compare what is there with what one thread writes."""
    renderer = renderer_of(root.with_name("whole"))
    found = files_of(root)
    for index in {int(key.split("/")[2]) for key in found}:
        renderer.render(unit_at(SPEC, 6 * UNIT, index), "here")
    assert found == (files_of(root.with_name("whole")) if found else {})


def test_an_error_of_the_units_themselves_is_raised(tmp_path: Path) -> None:
    def broken() -> Iterator[Unit]:
        yield unit_at(SPEC, 6 * UNIT, 0)
        raise InputError("no more units")

    with pytest.raises(InputError, match="no more units"):
        list(render_on_threads(renderer_of(tmp_path / "a"), broken(), sequences=6 * UNIT, workers=2))
    assert_only_whole_units(tmp_path / "a")


@pytest.mark.parametrize("results", [0, 1, 3])
@pytest.mark.parametrize("workers", [1, 4])
def test_closing_leaves_whole_units_alone(results: int, workers: int, tmp_path: Path) -> None:
    rendering = render_on_threads(
        renderer_of(tmp_path / "a"), units(SPEC, 6 * UNIT), sequences=6 * UNIT, workers=workers
    )
    assert len(list(islice(rendering, results))) == results
    rendering.close()
    assert_only_whole_units(tmp_path / "a")


def test_an_interrupt_stops_in_the_middle_of_a_unit_and_leaves_none_half_written(tmp_path: Path) -> None:
    root = tmp_path / "a"
    half = threading.Event()

    class Stopping(UnitRenderer):
        def render_piece(self, piece: Piece, writer: UnitWriter, scratch: Scratch) -> float:
            seconds = super().render_piece(piece, writer, scratch)
            if piece.start >= UNIT + UNIT // 2:
                half.set()
            return seconds

    rendering = render_on_threads(
        Stopping(Renderer(SPEC), LocalObjects(root)), units(SPEC, 500 * UNIT), sequences=500 * UNIT, workers=2
    )
    next(rendering)
    assert half.wait(SECONDS)
    with pytest.raises(KeyboardInterrupt):
        rendering.throw(KeyboardInterrupt())
    assert len(list((root / "frames/c").iterdir())) < 500
    assert leftovers_of(root) == []
