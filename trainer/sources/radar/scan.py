"""A radar's scans: where one lies, when it was, and its rain."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError

MOST_RAIN: Final = 1000.0
"""mm/h above which a value is taken for an error: of the receiver, or of the units."""
TOLERANCE: Final = 60.0
"""Seconds that the time in a file may differ from that in its name."""


class Scan(NamedTuple):
    """
    One map of rain among files.

    file : that holds it
    place : in the file, from 0
    time : s since 1970, UTC
    product : what it is a map of; maps of one product are one sequence in time
    """

    file: Path
    place: int
    time: float
    product: str


class Rain(NamedTuple):
    """
    What a file says.

    values : (y, x) float32, mm/h, north above; NaN where there are no data
    time : s since 1970, UTC; None where the file does not say
    """

    values: NDArray[np.float32]
    time: float | None


def product_of(file: Path) -> str:
    """Return what a product's files have in common in their names: that of 66_20201031_020000.prcp.nc is 66.prcp."""
    stem = re.sub(r"\.(nc4?|zarr|h5|hdf5?)$", "", file.name, flags=re.IGNORECASE)
    words = re.split(r"([_.-])", re.sub(r"\d{4,}T?\d*Z?", "", stem))
    kept = [(separator, word) for separator, word in zip(["", *words[1::2]], words[::2], strict=True) if word]
    return "".join(separator + word for separator, word in kept).lstrip("_.-") or "maps"


def checked(file: Path, values: NDArray[Any]) -> NDArray[np.float32]:
    """
    Return rain rates as float32.

    Raises
    ------
    InputError
        a value is no rain rate, in mm/h.
    """
    low, high = (float(find(values, axis=None)) for find in (np.fmin.reduce, np.fmax.reduce))  # NaN if all are
    if low < 0 or high > MOST_RAIN:
        raise InputError(
            f"{file} has rain rates from {low:g} to {high:g} mm/h; mark what is no data as missing, look at units"
        )
    return values.astype(np.float32)


def require_time(scan: Scan, time: float | None) -> None:
    """Raise InputError where a file holds another time than its name says."""
    if time is not None and abs(time - scan.time) > TOLERANCE:
        raise InputError(
            f"{scan.file} is of {said_time(time)} within, {said_time(scan.time)} by its name; get it again or rename it"
        )


def said_time(time: float) -> str:
    """Return a time as people write it, e.g. 2016-09-28 14:45 UTC."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"


def utc(text: str, form: str) -> float:
    """Return the s since 1970 of a time in UTC; raises ValueError where it is not of that form."""
    return datetime.strptime(text, form).replace(tzinfo=UTC).timestamp()
