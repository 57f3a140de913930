"""HDF5 files of radars, opened so that whatever is wrong with one is told in a line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from schemas.errors import InputError, MissingExtraError
from trainer.sources.images import said


@contextmanager
def open_hdf5(file: Path) -> Iterator[Any]:
    """
    Open a file for reading.

    Raises
    ------
    InputError
        it is no HDF5, damaged, or (KeyError while it is read) another product.
    MissingExtraError
        h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtraError(f"{file} needs h5py, which is not installed; pip install 'stmoe-synth[real]'") from None
    try:
        with h5py.File(file, "r") as opened:
            yield opened
    except OSError as error:
        raise InputError(f"{file} is no HDF5 that can be read: {said(error)}; get it again") from error
    except KeyError as error:
        raise InputError(f"{file} lacks what the product has: {said(error)}; look whether it is another") from error


def text(value: Any) -> str:
    """Return an attribute that is a text, however it is stored."""
    value = value.reshape(-1)[0] if isinstance(value, np.ndarray) else value
    return value.decode() if isinstance(value, bytes) else str(value)


def number(value: Any) -> float:
    """Return an attribute that is a number, however it is stored."""
    return float(np.asarray(value).reshape(-1)[0])
