"""A unit on its way: pieces in any order from any thread give one outcome, `frames` last, and all or nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.storage.local_objects import LocalObjects
from datagen.storage.shards import object_layouts
from datagen.storage.unit_writer import UnitWriter
from datagen.storage.units import Piece, Unit, pieces
from schemas.errors import InputError
from schemas.store import frame_layouts, table_layouts
from tests.datagen.storage.conftest import Disk
from tests.stores import chunks_of, files_of, full_spec

SPEC = full_spec(frames=1, height=3, width=5)
LAYOUTS = object_layouts(SPEC)


def values(unit: Unit) -> dict[str, np.ndarray]:
    """Return arrays that tell every sequence and array from any other."""
    generator = np.random.default_rng(unit.start)
    return {
        layout.name: generator.integers(0, 256, (len(unit), layout.sequence_bytes), np.uint8)
        .view(layout.dtype)
        .reshape(len(unit), *layout.shape)
        for layout in frame_layouts(SPEC) + table_layouts(SPEC)
    }


def writing(writer: UnitWriter, arrays: dict[str, np.ndarray]) -> Callable[[Piece], None]:
    first = writer.unit.start

    def write(piece: Piece) -> None:
        window = slice(piece.start - first, piece.stop - first)
        writer.write(piece.start, {name: array[window] for name, array in arrays.items()})

    return write


def written(root: Path, unit: Unit) -> dict[str, bytes]:
    """Write a unit sequence by sequence; return all files."""
    with UnitWriter(LocalObjects(root), object_layouts(SPEC), unit) as writer:
        write = writing(writer, values(unit))
        for piece in pieces(unit, 1):
            write(piece)
        writer.commit()
    return files_of(root)


@given(count=st.integers(1, 64), power=st.integers(0, 2), data=st.data())
@settings(max_examples=20)
def test_pieces_of_any_length_in_any_order_give_the_same_bytes(
    count: int, power: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    unit = Unit(2, 128, 128 + count)
    with chunks_of(4):
        expected = written(tmp_path_factory.mktemp("expected"), unit)
        shuffled = data.draw(st.permutations(list(pieces(unit, 2**power))))
        objects = LocalObjects(tmp_path_factory.mktemp("shuffled"))
        with UnitWriter(objects, object_layouts(SPEC), unit) as writer:
            write = writing(writer, values(unit))
            for piece in shuffled:
                write(piece)
            writer.commit()
        assert files_of(objects.root) == expected


def test_pieces_of_many_threads_give_the_same_bytes(tmp_path: Path) -> None:
    unit = Unit(0, 0, 900)
    expected = written(tmp_path / "one", unit)
    objects = LocalObjects(tmp_path / "many")
    with UnitWriter(objects, LAYOUTS, unit) as writer, ThreadPoolExecutor(8) as pool:
        list(pool.map(writing(writer, values(unit)), pieces(unit, 2)))
        pool.submit(writer.commit).result()
    assert files_of(objects.root) == expected


@given(count=st.integers(1, 32))
@settings(max_examples=10)
def test_a_unit_of_any_length_is_one_object_an_array_of_the_size_that_it_says(
    count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with chunks_of(2):
        layouts, root = object_layouts(SPEC), tmp_path_factory.mktemp("unit")
        with UnitWriter(LocalObjects(root), layouts, Unit(3, 96, 96 + count)) as writer:
            writing(writer, values(writer.unit))(Piece(96, 97))
            writer.commit()
        found = {key: len(data) for key, data in files_of(root).items()}
        assert found == {layout.key(3): layout.size(count) for layout in layouts}
        assert writer.bytes == sum(found.values())


def test_frames_come_to_their_place_after_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[str] = []
    replace = Path.replace

    def recorded(aside: Path, place: Path) -> Path:
        placed.append(place.relative_to(tmp_path).as_posix())
        return replace(aside, place)

    monkeypatch.setattr(Path, "replace", recorded)
    written(tmp_path, Unit(0, 0, 5))
    assert placed[-1] == "frames/c/0/0/0/0"
    assert sorted(placed) == sorted(layout.key(0) for layout in LAYOUTS)


def test_leaving_without_a_commit_leaves_nothing(tmp_path: Path) -> None:
    unit = Unit(0, 0, 5)
    with UnitWriter(LocalObjects(tmp_path), LAYOUTS, unit) as writer:
        writing(writer, values(unit))(Piece(0, 5))
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(error: type[BaseException], tmp_path: Path) -> None:
    unit = Unit(0, 0, 5)
    before = written(tmp_path, unit)

    def interrupted() -> None:
        with UnitWriter(LocalObjects(tmp_path), LAYOUTS, unit) as writer:
            writing(writer, values(unit))(Piece(0, 2))
            raise error

    with pytest.raises(error):
        interrupted()
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("fails_at", [0, 7, len(LAYOUTS) - 1])
def test_a_commit_that_fails_leaves_no_frames_and_nothing_aside(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: list[Path] = []
    replace = Path.replace

    def fails(aside: Path, place: Path) -> Path:
        if len(placed) == fails_at:
            raise OSError(5, "Input/output error")
        placed.append(place)
        return replace(aside, place)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(InputError, match="cannot be written: input/output error"):
        written(tmp_path, Unit(0, 0, 5))
    assert set(files_of(tmp_path)) == {place.relative_to(tmp_path).as_posix() for place in placed}
    assert not (tmp_path / "frames/c/0/0/0/0").exists()


def test_a_full_disk_leaves_no_part_of_a_unit(disk: Disk) -> None:
    root = disk.path / "a.zarr"
    before = written(root, Unit(0, 0, 500))
    with pytest.raises(InputError, match=f"^{root} cannot be written: no space left on device; free some space"):
        written(root, Unit(1, 500, 1500))
    assert files_of(root) == before
