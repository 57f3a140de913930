"""Objects as files: whole or not at all, in one line when the system refuses, and nothing left aside."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.storage.local_objects import LocalObjects
from schemas.errors import InputError
from tests.datagen.storage.conftest import Disk
from tests.stores import files_of, leftovers_of


def octets(data: bytes) -> Any:
    return np.frombuffer(data, np.uint8)


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjects:
    return LocalObjects(tmp_path / "a.zarr")


def refuse(monkeypatch: pytest.MonkeyPatch, function: str, code: int) -> None:
    """Let a function of the operating system fail."""

    def refused(*_: Any, **__: Any) -> Any:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, function, refused)


def test_what_is_put_is_read(objects: LocalObjects) -> None:
    objects.put({"a/c/0": b"whole", "zarr.json": b"{}", "empty": b""})
    assert objects.read("a/c/0") == b"whole"
    assert objects.read("a/c/0", 1, 3) == b"hol"
    assert objects.read("a/c/0", 3, 10) == b"le"
    assert objects.read("a/c/0", 10) == b""
    assert objects.read("empty") == b""
    assert files_of(objects.root) == {"a/c/0": b"whole", "zarr.json": b"{}", "empty": b""}


def test_what_is_not_there_is_none(objects: LocalObjects) -> None:
    assert objects.read("a/c/0") is None
    objects.put({"a/c/0": b"whole"})
    for key in ("a/c", "a/c/1", "a/c/0/0"):
        assert objects.read(key) is None


@given(size=st.integers(1, 60), data=st.data())
def test_a_batch_holds_what_was_written_and_zeros_elsewhere(
    size: int, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    objects, expected = LocalObjects(tmp_path_factory.mktemp("batch")), bytearray(size)
    batch = objects.batch({"a": size, "b": size})
    for start in data.draw(st.lists(st.integers(0, size - 1), max_size=5)):
        piece = data.draw(st.binary(min_size=1, max_size=size - start))
        batch.write("a", start, octets(piece))
        expected[start : start + len(piece)] = piece
    batch.commit()
    assert files_of(objects.root) == {"a": bytes(expected), "b": bytes(size)}


def test_nothing_is_seen_of_a_batch_before_it_is_committed(objects: LocalObjects) -> None:
    objects.put({"a": b"old"})
    batch = objects.batch({"a": 3, "b/c": 3})
    batch.write("a", 0, octets(b"new"))
    assert objects.read("a") == b"old"
    assert objects.read("b/c") is None
    assert dict(objects.sizes("")) == {"a": 3}
    batch.commit()
    assert dict(objects.sizes("")) == {"a": 3, "b/c": 3}
    assert objects.read("a") == b"new"
    batch.discard()
    assert files_of(objects.root) == {"a": b"new", "b/c": bytes(3)}


def test_a_discarded_batch_leaves_nothing(objects: LocalObjects) -> None:
    objects.put({"a": b"old"})
    batch = objects.batch({"a": 3, "b": 3})
    batch.write("b", 0, octets(b"new"))
    batch.discard()
    batch.discard()
    assert files_of(objects.root) == {"a": b"old"}


def test_two_batches_of_one_object_do_not_meet_and_the_last_wins(objects: LocalObjects) -> None:
    batches = [objects.batch({"a": 4}) for _ in range(2)]
    for offset in (2, 0):
        for batch, letter in zip(batches, (b"11", b"22"), strict=True):
            batch.write("a", offset, octets(letter))
    batches[1].commit()
    assert objects.read("a") == b"2222"
    batches[0].commit()
    assert files_of(objects.root) == {"a": b"1111"}


def test_a_reader_sees_the_old_object_or_the_new_one_and_never_a_part(objects: LocalObjects) -> None:
    values = [bytes([letter]) * 100_000 for letter in (1, 2)]
    objects.put({"a": values[0]})
    seen: set[bytes | None] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(objects.read("a"))

    reader = threading.Thread(target=read)
    reader.start()
    for k in range(200):
        objects.put({"a": values[k % 2]})
    done.set()
    reader.join()
    assert seen
    assert seen <= set(values)


def test_a_write_that_the_system_cuts_short_is_continued(
    objects: LocalObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, offset: whole(file, data[:7], offset))
    objects.put({"a": bytes(range(100))})
    assert objects.read("a") == bytes(range(100))


def test_what_lies_aside_is_neither_listed_nor_counted(objects: LocalObjects) -> None:
    assert objects.is_empty()
    objects.batch({"a": 1})  # as a killed process leaves it
    assert leftovers_of(objects.root)
    assert objects.is_empty()
    assert dict(objects.sizes("")) == {}
    objects.put({"b/c/0": b"1", "b/c/1": b"22", "zarr.json": b"{}"})
    assert not objects.is_empty()
    assert dict(objects.sizes("b/c")) == {"b/c/0": 1, "b/c/1": 2}


def test_delete_and_clear_leave_what_they_should(objects: LocalObjects) -> None:
    objects.put({"a/c/0": b"1", "zarr.json": b"{}", "note.txt": b"mine"})
    objects.delete("note.txt")
    objects.delete("note.txt")
    assert set(files_of(objects.root)) == {"a/c/0", "zarr.json"}
    objects.clear(keep="zarr.json")
    assert [entry.name for entry in objects.root.iterdir()] == ["zarr.json"]


def test_a_sweep_deletes_what_lies_aside_in_unfinished_units_alone(objects: LocalObjects) -> None:
    objects.sweep("a/c", ())  # nothing is there yet
    objects.put({"a/c/0/0": b"0", "a/c/1/0": b"1", "a/c/note/0": b"mine"})
    for key in ("a/c/9", "a/c/0/0", "a/c/1/0", "a/c/2/0"):
        objects.batch({key: 1})
    objects.sweep("a/c", {0})
    assert {key.rpartition("/")[0] for key in leftovers_of(objects.root)} == {"a/c/0"}
    assert {"a/c/0/0", "a/c/1/0", "a/c/note/0"} <= files_of(objects.root).keys()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "no space left on device; free some space and run the same command again, finished units are"),
        (errno.EDQUOT, "disk quota exceeded; free some space and run the same command again"),
        (errno.EACCES, "permission denied; give a path that you may write"),
        (errno.EROFS, "read-only file system; give a path that you may write"),
        (errno.EIO, "input/output error; mend that and run the same command again"),
    ],
)
@pytest.mark.parametrize("function", ["open", "ftruncate", "pwrite", "replace"])
def test_what_the_system_refuses_is_one_line_and_leaves_nothing(
    function: str, code: int, advice: str, objects: LocalObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.put({"a": b"old"})
    with monkeypatch.context() as patch:
        refuse(patch, function, code)
        with pytest.raises(InputError) as refused:
            objects.put({"a": b"new", "b": b"new"})
    assert str(refused.value).startswith(f"{objects.path} cannot be written: {advice}")
    assert "\n" not in str(refused.value)
    assert files_of(objects.root) == {"a": b"old"}


def test_every_file_is_closed_when_the_last_cannot_be_opened(
    objects: LocalObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def truncate(file: int, size: int) -> None:
        opened.append(file)
        if len(opened) == 5:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "ftruncate", truncate)
    with pytest.raises(InputError, match="no space left"):
        objects.batch({str(k): 1 for k in range(5)})
    for file in opened:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(file)
    assert files_of(objects.root) == {}


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(InputError, match=f"{tmp_path}/file is in the way, give another path$"):
        LocalObjects(tmp_path / "file").put({"a": b""})
    with pytest.raises(InputError, match="cannot be read: not a directory"):
        LocalObjects(tmp_path / "file").is_empty()
    assert (tmp_path / "file").read_bytes() == b"mine"


def test_an_unreadable_disk_is_one_line(objects: LocalObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    objects.put({"a": b""})
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(InputError, match=r"a\.zarr cannot be read: permission denied; ask for the right to read it$"):
        objects.read("a")


def test_a_full_disk_keeps_what_was_whole_and_takes_more_once_there_is_room(disk: Disk) -> None:
    objects = LocalObjects(disk.path / "a.zarr")
    objects.put({"a": b"whole"})
    with pytest.raises(InputError, match="no space left on device; free some space"):
        objects.put({"b": bytes(2**19), "a": bytes(2**20)})
    assert files_of(objects.root) == {"a": b"whole"}
    disk.remount("size=2m")
    objects.put({"b": bytes(2**19), "a": bytes(2**20)})
    assert dict(objects.sizes("")) == {"a": 2**20, "b": 2**19}


def test_a_read_only_disk_is_read_and_not_written(disk: Disk) -> None:
    objects = LocalObjects(disk.path / "a.zarr")
    objects.put({"a": b"whole"})
    disk.remount("ro")
    assert objects.read("a") == b"whole"
    for write in (lambda: objects.put({"b": b""}), lambda: objects.delete("a"), lambda: objects.clear("b")):
        with pytest.raises(InputError, match=r"read-only file system; give a path that you may write$"):
            write()
    assert files_of(objects.root) == {"a": b"whole"}
