"""Files written aside and renamed, so that a path holds a whole file or what it held before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas.errors import InputError


def local_path(path: str | Path) -> Path:
    """
    Return the path of a file.

    Raises
    ------
    InputError
        it is a URL.
    """
    if ":/" in str(path):  # a Path has made one slash of two
        raise InputError(f"{path} is a URL; give a local path and copy the file afterwards")
    return Path(path)


@contextmanager
def written_aside(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """
    Yield the path of an empty file beside `path`, which takes its place when the `with` block ends well.

    Parameters
    ----------
    path : local path of a file
    overwrite : whether a file that is there may be replaced

    Raises
    ------
    InputError
        something is there, the folder is missing, or it cannot be written; a path that was taken is left as it was.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the path of a file")
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists; give another path or --overwrite")
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        aside.touch()
        yield aside
        aside.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path} cannot be written: {reason}; mend that or give another path") from error
    finally:
        with suppress(OSError):  # what refused to be written may refuse this too
            aside.unlink(missing_ok=True)
