"""Radar files that tests write, each in its owner's form."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from PIL import Image

START = datetime(2020, 5, 17, 22, 0, tzinfo=UTC)
"""Of the first map where a test does not say."""


def fmi_file(folder: Path, time: datetime, levels: NDArray[np.uint8], said: datetime | None = None) -> Path:
    """Write a compressed PGM; `said` is the time within, where it is another."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = levels.shape
    header = f"P5\n# composite_area FIN\n# obstime {said or time:%Y%m%d%H%M}\n{columns} {rows}\n255\n"
    file = folder / f"{time:%Y%m%d%H%M}_fmi.pgm.gz"
    file.write_bytes(gzip.compress(header.encode() + levels.tobytes()))
    return file


def mch_file(folder: Path, time: datetime, index: NDArray[np.uint8], *, reversed_palette: bool = False) -> Path:
    """Write a GIF whose palette fades from white to red, or from red to white."""
    folder.mkdir(parents=True, exist_ok=True)
    fade = np.arange(256) if reversed_palette else 255 - np.arange(256)
    palette = np.stack([np.full(256, 255), fade, fade], axis=1)
    palette[-1] = 0
    image = Image.fromarray(index, "P")
    image.putpalette(palette.astype(np.uint8).tobytes())
    file = folder / f"AQC{time:%y%j%H%M}F_00005.801.gif"
    image.save(file, "GIF", optimize=False)
    return file


def knmi_file(folder: Path, time: datetime, stored: NDArray[np.uint16], **changed: str) -> Path:
    """Write an accumulation over the 5 minutes before a time, in hundredths of a mm."""
    folder.mkdir(parents=True, exist_ok=True)
    start = datetime.fromtimestamp(time.timestamp() - 300, UTC)
    file = folder / f"RAD_NL25_RAP_5min_{time:%Y%m%d%H%M}.h5"
    with h5py.File(file, "w") as opened:
        opened["image1/image_data"] = stored
        opened["image1"].attrs["image_geo_parameter"] = changed.get("what", "ACCUMULATED_PRECIPITATION_[MM]")
        calibration = opened.create_group("image1/calibration").attrs
        calibration["calibration_formulas"] = np.bytes_(changed.get("formula", "GEO=0.01*PV+0.0"))
        calibration["calibration_missing_data"] = np.array([65535])
        calibration["calibration_out_of_image"] = np.array([65534])
        overview = opened.create_group("overview").attrs
        for name, moment in (("start", start), ("end", time)):
            overview[f"product_datetime_{name}"] = np.array([moment.strftime("%d-%b-%Y;%H:%M:%S.000").upper().encode()])
    return file


def odim_file(file: Path, time: datetime, stored: NDArray[Any], quantity: str, gain: float, offset: float) -> Path:
    """Write a composite over the 15 minutes before a time; 255 is no data, 0 not detected."""
    file.parent.mkdir(parents=True, exist_ok=True)
    start = datetime.fromtimestamp(time.timestamp() - 900, UTC)
    with h5py.File(file, "w") as opened:
        opened.attrs["Conventions"] = "ODIM_H5/V2_2"
        what = opened.create_group("what").attrs
        what["object"] = np.bytes_("COMP")
        what["date"], what["time"] = f"{time:%Y%m%d}", f"{time:%H%M%S}"
        own = opened.create_group("dataset1/what").attrs
        own["startdate"], own["starttime"] = f"{start:%Y%m%d}", f"{start:%H%M%S}"
        own["enddate"], own["endtime"] = f"{time:%Y%m%d}", f"{time:%H%M%S}"
        opened["dataset1/data1/data"] = stored
        data = opened.create_group("dataset1/data1/what").attrs
        data["quantity"] = quantity
        data["gain"], data["offset"], data["nodata"], data["undetect"] = gain, offset, 255.0, 0.0
    return file


def grid(values: NDArray[Any], units: str | None, minutes: int = 10, **names: str) -> xr.Dataset:
    """Return (time, y, x) as a data set with times from START on, rows from south to north."""
    time, y, x = values.shape
    times = np.datetime64(START.replace(tzinfo=None)) + np.arange(time) * np.timedelta64(minutes, "m")
    rows, columns = names.get("rows", "latitude"), names.get("columns", "longitude")
    variable = xr.Variable(("time", rows, columns), values, {} if units is None else {"units": units})
    coordinates = {"time": times.astype("datetime64[ns]"), rows: np.arange(y), columns: np.arange(x)}
    return xr.Dataset({names.get("variable", "rain"): variable}, coordinates)


def written(dataset: xr.Dataset, file: Path) -> Path:
    """Write a data set as netCDF 4, or as Zarr."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".zarr":
        dataset.to_zarr(file, consolidated=False)
    else:
        dataset.to_netcdf(file, engine="h5netcdf")
    return file
