"""Accumulations and reflectivity of the Royal Netherlands Meteorological Institute: its own HDF5, version 3.5."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError
from trainer.sources.radar.hdf5 import number, open_hdf5, text
from trainer.sources.radar.reflectivity import MARSHALL_PALMER, rain_of
from trainer.sources.radar.scan import Rain, Scan, checked, utc

_NAME = re.compile(r"(.+?)_(\d{12})(?:_.*)?\.(h5|hdf5|hdf)")
_FORMULA = re.compile(r"GEO=([-+.\deE]+)\*PV([-+][.\deE+-]+)?")


def scans(file: Path) -> list[Scan]:
    """Return the one scan of a file, by its name alone."""
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise InputError(f"{file} is named as no file of KNMI; give e.g. RAD_NL25_RAP_5min_201008260300.h5")
    return [Scan(file, 0, utc(match[2], "%Y%m%d%H%M"), match[1])]


def read(file: Path) -> Rain:
    """Return what a file holds; raises InputError where it is damaged or neither rain nor reflectivity."""
    with open_hdf5(file) as opened:
        calibration, overview = opened["image1/calibration"].attrs, opened["overview"].attrs
        stored = opened["image1/image_data"][()]
        values = _calibrated(file, stored, text(calibration["calibration_formulas"]))
        for name in ("calibration_missing_data", "calibration_out_of_image"):
            values[stored == number(calibration[name])] = np.nan
        start, end = (_time(text(overview[f"product_datetime_{name}"])) for name in ("start", "end"))
        what = text(opened["image1"].attrs["image_geo_parameter"])
        return Rain(checked(file, _rain(file, values, what, end - start)), end)


def _calibrated(file: Path, stored: NDArray[Any], formula: str) -> NDArray[np.float64]:
    match = _FORMULA.fullmatch(formula.replace(" ", ""))
    if match is None:
        raise InputError(f"{file} has the calibration {formula}; one such as GEO=0.01*PV+0.0 can be read")
    values: NDArray[np.float64] = stored * float(match[1]) + float(match[2] or 0)
    return values


def _rain(file: Path, values: NDArray[np.float64], what: str, seconds: float) -> NDArray[np.float64]:
    if "PRECIPITATION" in what and seconds > 0:
        return values * (3600 / seconds)
    if "REFLECTIVITY" in what:
        return rain_of(values, MARSHALL_PALMER)
    raise InputError(f"{file} holds {what} over {seconds:g} s; give accumulated precipitation or reflectivity")


def _time(said: str) -> float:
    return utc(said.split(".")[0], "%d-%b-%Y;%H:%M:%S")
