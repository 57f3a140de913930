"""Rain in a netCDF file or a Zarr store: a variable by name, with its units, its times and its rows north to south."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError, MissingExtraError
from trainer.sources.images import said
from trainer.sources.radar.reflectivity import MARSHALL_PALMER, rain_of
from trainer.sources.radar.scan import Rain, Scan, checked, product_of, said_time

RATES: Final[Mapping[str, float]] = {
    "mm/h": 1.0, "mm h-1": 1.0, "mm/hr": 1.0, "mm hr-1": 1.0, "kg m-2 h-1": 1.0,
    "kg m-2 s-1": 3600.0, "kg/m2/s": 3600.0, "mm/s": 3600.0, "mm s-1": 3600.0,
    "m/s": 3.6e6, "m s-1": 3.6e6, "mm/day": 1 / 24, "mm day-1": 1 / 24, "mm d-1": 1 / 24,
}  # fmt: skip
"""mm/h in one of each unit."""
AMOUNTS: Final[Mapping[str, float]] = {"mm": 1.0, "kg m-2": 1.0, "kg/m2": 1.0, "m": 1000.0}
"""mm in one of each unit of what falls over a while."""
DECIBELS: Final = ("dbz",)
BLOCK_BYTES: Final = 16 * 2**20
"""Of neighbouring maps that are read at once: chunks often hold several."""
_ROWS = ("y", "lat", "latitude", "northing", "projection_y_coordinate")
_COLUMNS = ("x", "lon", "longitude", "easting", "projection_x_coordinate")
_TIMES = ("valid_time", "time")


class _Grid(NamedTuple):
    """
    A variable that is rain.

    variable : xarray's
    rows, columns, times : names of its dimensions; times is None for a single map
    ends : s since 1970 of each map
    factor : to mm/h; None for reflectivity
    """

    variable: Any
    rows: str
    columns: str
    times: str | None
    ends: NDArray[np.float64]
    factor: NDArray[np.float64] | None


def scans(file: Path, variable: str | None) -> list[Scan]:
    """
    Return the maps of a file in their order.

    Parameters
    ----------
    variable : its name; None for the only one that is a map of rain

    Raises
    ------
    InputError
        it has no such variable, or one without units or times that tell its rain; or times are out of order.
    """
    with _grid(file, variable) as grid:
        return [Scan(file, place, float(time), product_of(file)) for place, time in enumerate(grid.ends)]


def read(file: Path, places: range, variable: str | None) -> Iterator[Rain]:
    """
    Yield neighbouring maps of a file.

    Parameters
    ----------
    places : of the maps, one after the other

    Raises
    ------
    InputError
        as `scans`, or a value is no rain rate.
    """
    with _grid(file, variable) as grid:
        size = grid.variable.sizes[grid.rows] * grid.variable.sizes[grid.columns] * 8
        length = max(1, BLOCK_BYTES // size)
        for start in range(places.start, places.stop, length):
            block = slice(start, min(start + length, places.stop))
            for place, values in zip(range(block.start, block.stop), _values(file, grid, block), strict=True):
                yield Rain(checked(file, _rain(grid, values, place)), float(grid.ends[place]))


@contextmanager
def _grid(file: Path, name: str | None) -> Iterator[_Grid]:
    with _opened(file) as dataset:
        variable = dataset[_named(file, dataset, name)]
        variable = variable.squeeze([d for d in variable.dims if variable.sizes[d] == 1 and d not in _ROWS + _COLUMNS])
        rows, columns, times = _dimensions(file, dataset, variable)
        ends = _ends(file, dataset, variable, times)
        yield _Grid(variable, rows, columns, times, ends, _factor(file, dataset, variable, times))


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        import xarray
    except ImportError:
        raise MissingExtraError(
            f"{file} needs xarray, which is not installed; pip install 'stmoe-synth[real]'"
        ) from None
    try:
        how = {"engine": "zarr", "consolidated": _consolidated(file)} if file.is_dir() else {"engine": "h5netcdf"}
        with xarray.open_dataset(file, cache=False, **how) as dataset:
            yield dataset
    except InputError:
        raise
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{file} is no netCDF 4 or Zarr that can be read: {said(error)}; get it again") from error


def _consolidated(store: Path) -> bool:
    """Return whether a Zarr store's metadata are together in one object, which xarray warns of if it must find out."""
    root = store / "zarr.json"
    return (store / ".zmetadata").exists() or (root.exists() and '"consolidated_metadata"' in root.read_text())


def _named(file: Path, dataset: Any, name: str | None) -> str:
    names = [str(each) for each in dataset.data_vars]
    if name is not None:
        if name not in names:
            raise InputError(f"{file} has no variable {name}; it has {', '.join(names)}")
        return name
    maps = [each for each in names if _unit(dataset[each]) in (*RATES, *AMOUNTS, *DECIBELS) and dataset[each].ndim > 1]
    if len(maps) != 1:
        raise InputError(
            f"{file} has {len(maps) or 'no'} variables that are rain; give --variable NAME, it has {', '.join(names)}"
        )
    return maps[0]


def _dimensions(file: Path, dataset: Any, variable: Any) -> tuple[str, str, str | None]:
    """Return the names of rows, columns and times."""
    dims = [str(dim) for dim in variable.dims]
    if len(dims) not in (2, 3):
        raise InputError(
            f"{file}: {variable.name} has the dimensions {', '.join(dims)}; give time, y and x, or y and x"
        )
    rows = next((dim for dim in dims if _is_axis(dataset, dim, "Y", _ROWS)), dims[-2])
    columns = next((dim for dim in dims if _is_axis(dataset, dim, "X", _COLUMNS) and dim != rows), dims[-1])
    return rows, columns, next((dim for dim in dims if dim not in (rows, columns)), None)


def _is_axis(dataset: Any, dim: str, axis: str, names: tuple[str, ...]) -> bool:
    attributes = dataset[dim].attrs if dim in dataset.coords else {}
    return axis == attributes.get("axis") or attributes.get("standard_name") in names or dim.lower() in names


def _ends(file: Path, dataset: Any, variable: Any, times: str | None) -> NDArray[np.float64]:
    """Return the time of each map: of its dimension, or of the file."""
    if times is None:
        known = next((name for name in _TIMES if name in dataset and dataset[name].size == 1), None)
        stamps = None if known is None else dataset[known]
    else:
        stamps = dataset[times] if times in dataset.coords else None
    if stamps is None or stamps.dtype.kind != "M":
        along = "" if times is None else f" along {times}"
        raise InputError(f"{file}: {variable.name} has no times{along}; give a variable with CF's times")
    ends = _seconds(stamps.values)
    backwards = np.flatnonzero(np.diff(ends) <= 0)
    if backwards.size:
        a, b = ends[backwards[0]], ends[backwards[0] + 1]
        raise InputError(
            f"{file}: times are out of order, {said_time(b)} follows {said_time(a)}; sort it by {times} and drop what "
            "is there twice"
        )
    return ends


def _factor(file: Path, dataset: Any, variable: Any, times: str | None) -> NDArray[np.float64] | None:
    """Return the mm/h in one unit of each map, (1,) or (time,); None for decibels."""
    unit = _unit(variable)
    if unit in RATES:
        return np.array([RATES[unit]])
    if unit in AMOUNTS:
        return AMOUNTS[unit] * 3600 / _durations(file, dataset, variable, times)
    if unit in DECIBELS:
        return None
    given = f"the unit {variable.attrs['units']}" if "units" in variable.attrs else "no unit"
    raise InputError(
        f"{file}: {variable.name} has {given}; its attribute units may be {', '.join((*RATES, *AMOUNTS, 'dBZ'))}"
    )


def _durations(file: Path, dataset: Any, variable: Any, times: str | None) -> NDArray[np.float64]:
    """Return over how many seconds each map is accumulated, (1,) or (time,)."""
    bounds = dataset[times].attrs.get("bounds") if times is not None and times in dataset.coords else None
    if bounds is not None and bounds in dataset:
        seconds = np.diff(_seconds(dataset[bounds].values), axis=-1).reshape(-1)
    elif times is None and "start_time" in dataset:
        seconds = _ends(file, dataset, variable, times) - _seconds(dataset["start_time"].values)
    elif times is not None and dataset.sizes[times] > 1:
        seconds = np.array([np.median(np.diff(_ends(file, dataset, variable, times)))])
    else:
        seconds = np.zeros(1)
    if seconds.min() <= 0:
        raise InputError(
            f"{file}: {variable.name} is an amount over no stated time; give it start_time or bounds of its times"
        )
    return seconds


def _values(file: Path, grid: _Grid, block: slice) -> NDArray[Any]:
    """Return maps, (time, y, x), north above and west on the left."""
    variable = grid.variable if grid.times is None else grid.variable.isel({grid.times: block})
    variable = variable.transpose(*([] if grid.times is None else [grid.times]), grid.rows, grid.columns)
    values = variable.values if grid.times is not None else variable.values[None]
    if values.dtype.kind not in "fiu":
        raise InputError(f"{file}: {grid.variable.name} holds {values.dtype}; give numbers")
    upright: NDArray[Any] = values[:, :: _order(grid, grid.rows, -1), :: _order(grid, grid.columns, 1)]
    return upright


def _order(grid: _Grid, dim: str, wanted: int) -> int:
    """Return -1 where a dimension's coordinate runs the other way than wanted, else 1."""
    coordinate = grid.variable.coords.get(dim)
    if coordinate is None or coordinate.ndim != 1 or coordinate.size < 2 or coordinate.dtype.kind not in "fiu":
        return 1
    way = 1 if float(coordinate[-1]) > float(coordinate[0]) else -1
    return 1 if way == wanted else -1


def _rain(grid: _Grid, values: NDArray[Any], place: int) -> NDArray[np.float64]:
    if grid.factor is None:
        return rain_of(values, MARSHALL_PALMER)
    rain: NDArray[np.float64] = values.astype(np.float64) * grid.factor[place if len(grid.factor) > 1 else 0]
    return rain


def _unit(variable: Any) -> str:
    """Return a variable's unit in small letters and single blanks, powers as CF writes them."""
    return " ".join(str(variable.attrs.get("units", "")).lower().replace("**", "").replace("^", "").split())


def _seconds(times: NDArray[Any]) -> NDArray[np.float64]:
    return (np.atleast_1d(times).astype("datetime64[us]").astype(np.int64) / 1e6).astype(np.float64)
