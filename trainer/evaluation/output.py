"""Results written aside and renamed: a path holds a whole file or folder, or what it held before."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import InputError

_STORE = "zarr.json"


def require_free(path: Path, *, overwrite: bool) -> None:
    """
    Check that a path may be written, before the work for it begins.

    Raises
    ------
    InputError
        it is a URL, its folder is missing, something is there and may not be replaced, or is a folder of other things.
    """
    if ":/" in str(path):
        raise InputError(f"{path} is a URL; give a local path and copy it afterwards")
    if not path.parent.is_dir():
        raise InputError(f"{path} cannot be written: {path.parent} is no folder; make it or give another path")
    if path.is_dir() and not (path / _STORE).exists():
        raise InputError(f"{path} is a folder of other things; give another path")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; give another path or --overwrite")


@contextmanager
def written_aside(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """
    Yield a path beside `path` where nothing is; what is written there takes its place when the `with` block ends well.

    Parameters
    ----------
    path : of a file, or of a Zarr group
    overwrite : whether what is there may be replaced

    Raises
    ------
    InputError
        the path may not be written, or the world refuses; what was there is left as it was.
    """
    require_free(path, overwrite=overwrite)
    aside, old = (path.with_name(f".{path.name}.{os.getpid()}.{state}") for state in ("partial", "old"))
    try:
        _remove(aside)
        yield aside
        if path.is_dir() or aside.is_dir():  # a folder cannot be replaced in one step
            _move(path, old)
        aside.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path} cannot be written: {reason}; mend that or give another path") from error
    finally:
        if not path.exists():
            _move(old, path)
        _remove(aside)
        _remove(old)


def _move(path: Path, target: Path) -> None:
    if path.exists():
        path.replace(target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
