"""Objects as files: written aside as `*.partial` and renamed, so that a kill leaves whole files alone."""

import errno
import os
import shutil
import uuid
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import zarr.storage
from numpy.typing import NDArray
from zarr.abc.store import Store

from schemas.errors import InputError

_PARTIAL = ".partial"
_WRITE_BYTES = 2**20
"""Of one call: for longer ones Linux takes huge pages, which took 2.7 times as long on ext4 in a virtual machine."""


class LocalObjects:
    """The files of one store below a directory."""

    in_memory = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = str(root)

    def store(self) -> Store:
        """Return the zarr store that reads these objects."""
        return zarr.storage.LocalStore(self.root, read_only=True)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        """Return bytes of an object, fewer where it is shorter, or None where there is none."""
        try:
            with (self.root / key).open("rb") as file:
                file.seek(start)
                return file.read(-1 if length is None else length)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise _local_error(self.path, "read", error) from error

    def sizes(self, directory: str) -> Iterator[tuple[str, int]]:
        """Yield key and bytes of every file below a directory."""
        for folder, _, names in os.walk(self.root / directory):
            for name in names:
                file = Path(folder, name)
                if not name.endswith(_PARTIAL):
                    yield file.relative_to(self.root).as_posix(), file.stat().st_size

    def is_empty(self) -> bool:
        """Return whether nothing is there but what a killed process left aside."""
        try:
            return all(entry.name.endswith(_PARTIAL) for entry in self.root.iterdir())
        except FileNotFoundError:
            return True
        except OSError as error:
            raise _local_error(self.path, "read", error) from error

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Write files aside and rename each."""
        batch = self.batch({key: len(data) for key, data in objects.items()})
        try:
            for key, data in objects.items():
                batch.write(key, 0, np.frombuffer(data, np.uint8))
            batch.commit()
        finally:
            batch.discard()

    def batch(self, sizes: Mapping[str, int]) -> "_Files":
        """Begin files of these many bytes."""
        return _Files(self, sizes)

    def delete(self, key: str) -> None:
        """Delete a file if it is there."""
        with self.writing():
            (self.root / key).unlink(missing_ok=True)

    def clear(self, keep: str) -> None:
        """Delete every file and directory but one."""
        with self.writing():
            for entry in list(self.root.iterdir()):
                if entry.is_dir():
                    shutil.rmtree(entry)
                elif entry.name != keep:
                    entry.unlink()

    def sweep(self, directory: str, finished: Container[int]) -> None:
        """Delete `*.partial` files in a directory of units; a finished unit holds none and is not looked into."""
        with self.writing(), suppress(FileNotFoundError):
            for entry in list((self.root / directory).iterdir()):
                if entry.name.endswith(_PARTIAL):
                    entry.unlink()
                elif entry.name.isdigit() and int(entry.name) not in finished and entry.is_dir():
                    for file in entry.rglob(f"*{_PARTIAL}"):
                        file.unlink()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn what the operating system refuses into one line."""
        try:
            yield
        except OSError as error:
            raise _local_error(self.path, "written", error) from error


class _Files:
    """Files written aside, all open until they are committed."""

    def __init__(self, objects: LocalObjects, sizes: Mapping[str, int]) -> None:
        self._objects = objects
        self._aside: dict[str, Path] = {}
        self._descriptors: dict[str, int] = {}
        suffix = f".{uuid.uuid4().hex}{_PARTIAL}"
        try:
            with objects.writing():
                for key, size in sizes.items():
                    place = objects.root / key
                    place.parent.mkdir(parents=True, exist_ok=True)
                    self._aside[key] = place.with_name(place.name + suffix)
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
                    self._descriptors[key] = os.open(self._aside[key], flags, 0o666)
                    os.ftruncate(self._descriptors[key], size)
        except BaseException:
            self.discard()
            raise

    def write(self, key: str, offset: int, data: NDArray[Any]) -> None:
        view = data.data
        with self._objects.writing():
            while view:
                written = os.pwrite(self._descriptors[key], view[:_WRITE_BYTES], offset)
                view, offset = view[written:], offset + written

    def commit(self) -> None:
        with self._objects.writing():
            for key, aside in list(self._aside.items()):
                os.close(self._descriptors.pop(key))
                aside.replace(self._objects.root / key)
                del self._aside[key]

    def discard(self) -> None:
        """Remove what was written aside."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()
        for aside in self._aside.values():
            with suppress(OSError):  # the disk that refused the data may refuse this too; the next run sweeps
                aside.unlink(missing_ok=True)
        self._aside.clear()


def _local_error(path: str, doing: str, error: OSError) -> InputError:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            advice = "free some space and run the same command again, finished units are kept"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            advice = "give a path that you may write" if doing == "written" else "ask for the right to read it"
        case errno.ENOTDIR | errno.EEXIST:
            advice = f"{error.filename} is in the way, give another path"
        case _:
            advice = "mend that and run the same command again"
    return InputError(f"{path} cannot be {doing}: {(error.strerror or str(error)).lower()}; {advice}")
