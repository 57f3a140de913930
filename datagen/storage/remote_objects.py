"""Objects behind fsspec, e.g. in an S3 bucket: each is put by one request or one multipart upload."""

import io
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import zarr.storage
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from schemas.errors import InputError, MissingExtraError


class RemoteObjects:
    """The objects of one store below a URL."""

    in_memory = True

    def __init__(self, url: str) -> None:
        self.path = url.rstrip("/")
        try:
            import fsspec

            # The blocking interface, which any thread may call; zarr has its own, asynchronous instance.
            self._files, self._root = fsspec.url_to_fs(self.path)
        except ImportError as error:
            raise MissingExtraError(
                f"{url} needs a package that is not installed ({error}); pip install 'stmoe-synth[cloud]'"
            ) from error
        except ValueError as error:
            raise InputError(f"{url} cannot be opened: {_first_line(error)}; give a path or e.g. s3://…") from error

    def store(self) -> Store:
        """Return the zarr store that reads these objects."""
        return _ZarrStore.from_url(self.path, read_only=True)

    def read(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        """Return bytes of an object, fewer where it is shorter, or None where there is none."""
        stop = None if length is None else start + length
        try:
            data = bytes(self._files.cat_file(self._at(key), start=start, end=stop))
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return None
        except Exception as error:
            if "not satisfiable" in str(error):  # S3's word for an object that ends before `start`
                return b""
            raise _remote_error(self.path, "read", error) from error
        if length is not None:
            _refuse_more(self.path, len(data), length)
        return data

    def sizes(self, directory: str) -> Iterator[tuple[str, int]]:
        """Yield key and bytes of every object below a directory."""
        with self._talking("listed"), suppress(FileNotFoundError):
            self._files.invalidate_cache()
            found = self._files.find(self._at(directory), detail=True)
            for name, info in found.items():
                if info["size"] is not None:  # an HTTP server's page of links has none
                    yield name.removeprefix(self._root + "/"), info["size"]

    def is_empty(self) -> bool:
        """Return whether nothing is there."""
        return next(self.sizes(""), None) is None

    def put(self, objects: Mapping[str, bytes | bytearray]) -> None:
        """Put whole objects, several at a time."""
        s3 = "s3" in self._files.protocol  # a word or several; other protocols want bytes
        with self._talking("written"):
            self._files.pipe({self._at(key): _Source(data) if s3 else bytes(data) for key, data in objects.items()})

    def batch(self, sizes: Mapping[str, int]) -> "_Buffers":
        """Begin objects of these many bytes."""
        return _Buffers(self, sizes)

    def delete(self, key: str) -> None:
        """Delete an object if it is there."""
        with self._talking("written"), suppress(FileNotFoundError):
            self._files.rm_file(self._at(key))

    def clear(self, keep: str) -> None:
        """Delete every object but one."""
        names = [self._at(key) for key, _ in self.sizes("") if key != keep]
        with self._talking("written"):
            if names:
                self._files.rm(names)

    def sweep(self, directory: str, finished: Container[int]) -> None:
        """Do nothing: a put that was killed leaves nothing that can be seen."""

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    @contextmanager
    def _talking(self, doing: str) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # every protocol has exceptions of its own
            raise _remote_error(self.path, doing, error) from error


class _Buffers:
    """Objects held in memory until they are put."""

    def __init__(self, objects: RemoteObjects, sizes: Mapping[str, int]) -> None:
        self._objects = objects
        self._buffers = {key: bytearray(size) for key, size in sizes.items()}

    def write(self, key: str, offset: int, data: NDArray[Any]) -> None:
        self._buffers[key][offset : offset + data.nbytes] = data.data

    def commit(self) -> None:
        self._objects.put(self._buffers)
        self._buffers.clear()

    def discard(self) -> None:
        self._buffers.clear()


class _ZarrStore(zarr.storage.FsspecStore):
    """What zarr reads from; what goes wrong is said in one line, as everywhere."""

    async def get(self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None) -> Buffer | None:
        """Return an object or a part of it, None where there is none."""
        path = self.fs.unstrip_protocol(self.path)
        try:
            found = await super().get(key, prototype, byte_range)
        except Exception as error:
            raise _remote_error(path, "read", error) from error
        match byte_range:
            case RangeByteRequest(start, end) if found is not None:
                _refuse_more(path, len(found), end - start)
            case SuffixByteRequest(suffix) if found is not None:
                _refuse_more(path, len(found), suffix)
        return found


class _Source(io.RawIOBase):
    """
    Bytes as a file that can be cut into parts.

    An S3 client copies bytes several times on their way and blocks its event loop meanwhile; from a file it takes
    64 KiB at a time. A unit with all truth at the default size peaks at 590 MB so, at 1,280 MB from bytes.
    """

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._data = memoryview(data)
        self._position = 0

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, part: slice) -> "_Source":
        return _Source(self._data[part])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self)}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        part = self._data[self._position : self._position + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)


def _refuse_more(path: str, found: int, asked: int) -> None:
    """Refuse a server that answers with a whole object: its bytes would be taken for those that were asked for."""
    if found > asked:
        raise InputError(
            f"{path} cannot be read: its server ignores ranges of bytes, as `python -m http.server` does; use another"
        )


def _remote_error(path: str, doing: str, error: Exception) -> InputError:
    said = _first_line(error)
    match error:
        case FileNotFoundError():
            advice = "make the bucket first, or give another"
        case PermissionError():
            advice = "check the credentials, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do"
        case _ if "credential" in said.lower():
            advice = "set them, e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        case _:
            advice = "check the address, e.g. AWS_ENDPOINT_URL, and run the same command again"
    return InputError(f"{path} cannot be {doing}: {said}; {advice}")


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
