"""Composites in ODIM HDF5, the European weather services' form (OPERA, version 2)."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError
from trainer.sources.radar.hdf5 import number, open_hdf5, text
from trainer.sources.radar.reflectivity import MARSHALL_PALMER, rain_of
from trainer.sources.radar.scan import Rain, Scan, checked, product_of, utc

OBJECTS: Final = ("COMP", "IMAGE")
"""Maps; other objects are scans and volumes in a radar's own coordinates."""


def is_odim(opened: Any) -> bool:
    """Return whether an open HDF5 file says that it is in this form."""
    return "Conventions" in opened.attrs and text(opened.attrs["Conventions"]).startswith("ODIM")


def scans(file: Path) -> list[Scan]:
    """Return the one scan of a file."""
    with open_hdf5(file) as opened:
        what = opened["what"].attrs
        kind = text(what["object"])
        if kind not in OBJECTS:
            raise InputError(f"{file} is a {kind} of ODIM; give composites, objects {' and '.join(OBJECTS)}")
        return [Scan(file, 0, _time(opened), product_of(file))]


def read(file: Path) -> Rain:
    """
    Return what a file holds: gain times value plus offset; `nodata` is none, `undetect` is no rain.

    Raises
    ------
    InputError
        it is damaged or neither reflectivity nor rain.
    """
    with open_hdf5(file) as opened:
        stored = opened["dataset1/data1/data"][()]
        values = stored * number(_what(opened, "gain")) + number(_what(opened, "offset"))
        rain = _rain(file, opened, values)
        rain[stored == number(_what(opened, "undetect"))] = 0
        rain[stored == number(_what(opened, "nodata"))] = np.nan
        return Rain(checked(file, rain), _time(opened))


def _rain(file: Path, opened: Any, values: NDArray[np.float64]) -> NDArray[np.float64]:
    quantity = text(_what(opened, "quantity"))
    match quantity:
        case "RATE":
            return values
        case "ACRR":
            return values * (3600 / _seconds(file, opened))
        case "DBZH" | "TH" | "DBZV" | "TV":
            return rain_of(values, MARSHALL_PALMER)
    raise InputError(f"{file} holds the quantity {quantity}; give RATE, ACRR, DBZH or TH")


def _seconds(file: Path, opened: Any) -> float:
    what = opened["dataset1/what"].attrs
    start, end = (utc(text(what[f"{n}date"]) + text(what[f"{n}time"]), "%Y%m%d%H%M%S") for n in ("start", "end"))
    if end <= start:
        raise InputError(f"{file} is accumulated over {end - start:g} s; get it again")
    return end - start


def _what(opened: Any, name: str) -> Any:
    """Return an attribute of the data, or of the data set where it stands there for all of its data."""
    for group in ("dataset1/data1/what", "dataset1/what"):
        if group in opened and name in opened[group].attrs:
            return opened[group].attrs[name]
    raise KeyError(f"dataset1/data1/what has no {name}")


def _time(opened: Any) -> float:
    """Return the nominal time; where the data set has an end of its own, that."""
    what = opened["what"].attrs
    own = opened["dataset1/what"].attrs if "dataset1/what" in opened else {}
    if "enddate" in own and "endtime" in own:
        return utc(text(own["enddate"]) + text(own["endtime"]), "%Y%m%d%H%M%S")
    return utc(text(what["date"]) + text(what["time"]), "%Y%m%d%H%M%S")
