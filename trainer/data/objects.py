"""The objects of a store as bytes: files mapped into memory, or ranges asked of an object store or a web server."""

import mmap
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError, MissingExtraError

Bytes = NDArray[np.uint8]

TOKEN_VARIABLE: Final = "STMOE_TOKEN"  # noqa: S105, its name, not a token
"""Environment variable with the bearer token of http and https stores; it is sent to the store's own host alone."""
MAX_MAPPINGS = 4096
"""Files kept mapped at once; Linux allows a process 65,530 mappings of all kinds."""


class Objects(Protocol):
    """Where the objects of one store lie."""

    path: str
    """As the user knows it."""
    mapped: bool
    """Whether what is read stays what it is: a view of a file, not what came over a line this time."""

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Bytes | None:
        """
        Return bytes of an object, fewer where it ends before, or None where there is none.

        Parameters
        ----------
        key : of the object, e.g. frames/c/0/0/0/0
        start : first byte; counted from the end where negative, and then stop is None
        stop : behind the last byte; None for the object's end

        Raises
        ------
        InputError
            the world is at fault, e.g. no connection or no permission.
        """


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
        return LocalObjects(text.removeprefix("file://"))
    return RemoteObjects(text) if "://" in text else LocalObjects(text)


class LocalObjects:
    """
    Files below a folder.

    They are mapped: a checksum over a mapping and one copy of each sequence out of it are 1.6 times as fast as reading
    into a buffer first. A disk that fails under a mapping ends the process (SIGBUS), as with any memory map.
    """

    mapped = True

    def __init__(self, path: str) -> None:
        self.path = path
        self._folder = Path(path)
        self._mapped = lru_cache(MAX_MAPPINGS)(self._map)

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Bytes | None:
        """Return a view of the mapped file."""
        try:
            return self._mapped(key)[start:stop]
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputError(
                f"{self._folder / key} cannot be read: {(error.strerror or str(error)).lower()}; check the disk and "
                "who may read it"
            ) from error

    def _map(self, key: str) -> Bytes:
        with (self._folder / key).open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:  # which cannot be mapped
                return np.empty(0, np.uint8)
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


class RemoteObjects:
    """Objects below a URL, through fsspec."""

    mapped = False

    def __init__(self, url: str) -> None:
        self.path = url.rstrip("/")
        protocol = url.partition("://")[0]
        try:
            import fsspec

            self._files, self._root = fsspec.url_to_fs(self.path, **_options(protocol))
        except ImportError as error:
            raise MissingExtraError(
                f"{url} needs a package that is not installed ({error}); pip install 'stmoe-synth[cloud]'"
            ) from error
        except ValueError as error:
            raise InputError(f"{url} cannot be opened: {_first_line(error)}; give a path or e.g. s3://…") from error

    def read(self, key: str, start: int = 0, stop: int | None = None) -> Bytes | None:
        """Ask for a range of the object; any thread may call this."""
        try:
            data = self._files.cat_file(f"{self._root}/{key}", start=start or None, end=stop)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except Exception as error:  # every protocol has exceptions of its own
            if "not satisfiable" in str(error).lower():  # what servers say of an object that ends before `start`
                return np.empty(0, np.uint8)
            raise InputError(
                f"{self.path} cannot be read: {_first_line(error)}; {_advice(error)}, and run the same command again"
            ) from error
        asked = -start if start < 0 else None if stop is None else stop - start
        if asked is not None and len(data) > asked:  # its first bytes would be taken for those that were asked for
            raise InputError(
                f"{self.path} cannot be read: its server does not answer byte ranges, like `python -m http.server`; "
                "give one that does, or a local copy"
            )
        return np.frombuffer(data, np.uint8)


def _options(protocol: str) -> dict[str, Any]:
    token = os.environ.get(TOKEN_VARIABLE)
    if protocol not in {"http", "https"} or not token:
        return {}
    return {"client_kwargs": {"headers": {"Authorization": f"Bearer {token}"}}}


def _advice(error: Exception) -> str:
    match getattr(error, "status", None):
        case 401 | 403:
            return f"set {TOKEN_VARIABLE} to a token that may read it"
        case _ if isinstance(error, PermissionError) or "credential" in str(error).lower():
            return "check the credentials, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        case _:
            return "check the address and the connection"


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
