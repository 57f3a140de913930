"""The objects of a store: read, list, and put each of them whole or not at all, wherever they lie."""

from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray
from zarr.abc.store import Store

from datagen.storage.local_objects import LocalObjects
from datagen.storage.remote_objects import RemoteObjects


class Batch(Protocol):
    """Some objects that are written piece by piece and committed together; the methods may run in several threads."""

    def write(self, key: str, offset: int, data: NDArray[Any]) -> None:
        """Write bytes of one object at an offset; bytes never written are 0."""

    def commit(self) -> None:
        """Put every object in its place, each at once; nothing may be written any more."""

    def discard(self) -> None:
        """Leave nothing behind; does nothing after a commit."""


class Objects(Protocol):
    """Where the objects of one store lie. Every method raises InputError, in one line, when the world is at fault."""

    path: str
    """As the user knows it."""
    in_memory: bool
    """Whether a batch is held in memory until it is committed."""

    def store(self) -> Store:
        """Return the zarr store that reads these objects."""

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        """Return bytes of an object, fewer where it is shorter, or None where there is none."""

    def sizes(self, directory: str) -> Iterator[tuple[str, int]]:
        """Yield key and bytes of every object below a directory."""

    def is_empty(self) -> bool:
        """Return whether nothing is there but what a killed process left aside."""

    def put(self, objects: Mapping[str, bytes]) -> None:
        """Put whole objects, each at once."""

    def batch(self, sizes: Mapping[str, int]) -> Batch:
        """Begin objects of these many bytes."""

    def delete(self, key: str) -> None:
        """Delete an object if it is there."""

    def clear(self, keep: str) -> None:
        """Delete every object but one."""

    def sweep(self, directory: str, finished: Container[int]) -> None:
        """Delete what killed processes left aside in a directory of units, less the finished ones, which hold none."""


def objects_at(path: str | Path) -> Objects:
    """
    Return the objects at a local path or URL, which need not exist.

    Raises
    ------
    MissingExtraError
        the package that speaks the URL's protocol is not installed.
    InputError
        no package speaks it.
    """
    text = str(path)
    if text.startswith("file://"):
        return LocalObjects(Path(text.removeprefix("file://")))
    return RemoteObjects(text) if "://" in text else LocalObjects(Path(text))
