"""Each owner's values become mm/h by its own relation; what is no data is NaN, and what is wrong is told in a line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import InputError
from tests.trainer.sources.footage import folder_of, noise
from tests.trainer.sources.radar.files import START, fmi_file, grid, knmi_file, mch_file, odim_file, written
from trainer.sources.radar import fmi, gridded, knmi, mch, odim
from trainer.sources.radar.scan import product_of


def rain(dbz: float, a: float, b: float) -> float:
    return float((10 ** (dbz / 10) / a) ** (1 / b))


def test_fmi_is_reflectivity_with_its_own_relation(tmp_path: Path) -> None:
    levels = np.array([[0, 255, 64], [104, 128, 2]], np.uint8)
    found = fmi.read(fmi_file(tmp_path, START, levels))
    expected = [[0, np.nan, rain(0, 223, 1.53)], [rain(20, 223, 1.53), rain(32, 223, 1.53), rain(-31, 223, 1.53)]]
    np.testing.assert_allclose(found.values, expected, rtol=1e-6)
    assert found.time == START.timestamp()


def test_mch_is_its_index_and_not_its_colour(tmp_path: Path) -> None:
    index = np.array([[0, 1, 2, 100], [170, 251, 254, 255]], np.uint8)
    found = mch.read(mch_file(tmp_path, START, index)).values
    of = {i: 12 * (10 ** ((i - 71.5) / 20) / 316) ** (1 / 1.5) for i in (2, 100, 170)}
    np.testing.assert_allclose(found, [[0, 0, of[2], of[100]], [of[170], 0, 0, np.nan]], rtol=1e-6)


def test_a_gif_of_other_colours_is_refused(tmp_path: Path) -> None:
    index = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with pytest.raises(InputError, match="has not the palette of MeteoSwiss"):
        mch.read(mch_file(tmp_path, START, index, reversed_palette=True))
    (grey,) = folder_of(tmp_path / "grey", noise(1), ".gif").iterdir()
    with pytest.raises(InputError, match="has not the palette of MeteoSwiss"):
        mch.read(grey)


def test_knmi_is_accumulated_over_the_time_that_it_says(tmp_path: Path) -> None:
    stored = np.array([[0, 25], [65535, 65534]], np.uint16)
    found = knmi.read(knmi_file(tmp_path, START, stored))
    np.testing.assert_allclose(found.values, [[0, 3], [np.nan, np.nan]], rtol=1e-6)
    assert found.time == START.timestamp()


def test_knmi_may_be_reflectivity(tmp_path: Path) -> None:
    file = knmi_file(
        tmp_path, START, np.full((1, 1), 124, np.uint16), what="REFLECTIVITY_[DBZ]", formula="GEO = 0.5*PV-32.0"
    )
    assert knmi.read(file).values.item() == pytest.approx(rain(30, 200, 1.6))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"what": "ECHO_TOP_[KM]"}, "holds ECHO_TOP_"),
        ({"formula": "GEO=PV^2"}, "has the calibration GEO=PV\\^2"),
    ],
)
def test_what_knmi_may_not_be(tmp_path: Path, changed: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        knmi.read(knmi_file(tmp_path, START, np.zeros((1, 1), np.uint16), **changed))


@pytest.mark.parametrize(
    ("quantity", "gain", "offset", "value", "expected"),
    [
        ("DBZH", 0.5, -32, 124, rain(30, 200, 1.6)),
        ("RATE", 0.1, 0, 34, 3.4),
        ("ACRR", 0.1, 0, 20, 8.0),
    ],
)
def test_odim_has_gain_and_offset_and_two_kinds_of_nothing(
    tmp_path: Path, quantity: str, gain: float, offset: float, value: int, expected: float
) -> None:
    stored = np.array([[0, value, 255]], np.uint8)
    file = odim_file(tmp_path / "a.h5", START, stored, quantity, gain, offset)
    np.testing.assert_allclose(odim.read(file).values, [[0, expected, np.nan]], rtol=1e-6)
    (scan,) = odim.scans(file)
    assert scan.time == START.timestamp()


def test_odim_may_not_be_anything_else(tmp_path: Path) -> None:
    file = odim_file(tmp_path / "a.h5", START, np.ones((1, 1), np.uint8), "VRAD", 1, 0)
    with pytest.raises(InputError, match="holds the quantity VRAD; give RATE, ACRR, DBZH or TH"):
        odim.read(file)


@pytest.mark.parametrize(
    ("units", "value", "expected"),
    [
        ("mm/h", 2.5, 2.5),
        ("mm h^-1", 2.5, 2.5),
        ("kg m**-2 s**-1", 1e-3, 3.6),
        ("m s-1", 1e-6, 3.6),
        ("mm/day", 24.0, 1.0),
        ("kg m-2", 0.5, 3.0),
        ("m", 1e-3, 6.0),
        ("dBZ", 30.0, rain(30, 200, 1.6)),
    ],
)
def test_a_variable_is_taken_by_its_units(tmp_path: Path, units: str, value: float, expected: float) -> None:
    file = written(grid(np.full((3, 2, 2), value), units), tmp_path / "rain.nc")
    for each in gridded.read(file, range(3), None):
        np.testing.assert_allclose(each.values, expected, rtol=1e-6)


def test_bounds_say_over_what_an_amount_fell(tmp_path: Path) -> None:
    dataset = grid(np.ones((2, 1, 1)), "mm", minutes=60)
    ends = dataset["time"].values
    dataset["time_bnds"] = (("time", "edge"), np.stack([ends - np.timedelta64(15, "m"), ends], axis=1))
    dataset["time"].attrs["bounds"] = "time_bnds"
    dataset["time"].encoding["units"] = "minutes since 2020-01-01"
    file = written(dataset, tmp_path / "rain.nc")
    assert [each.values.item() for each in gridded.read(file, range(2), "rain")] == [4, 4]


@pytest.mark.parametrize("suffix", [".nc", ".zarr"])
def test_rows_run_from_north_to_south_whatever_the_file_has(tmp_path: Path, suffix: str) -> None:
    values = np.arange(24.0).reshape(2, 3, 4)
    file = written(grid(values, "mm/h").transpose("time", "longitude", "latitude"), tmp_path / f"a{suffix}")
    found = [each.values for each in gridded.read(file, range(2), None)]
    assert np.array_equal(found, values[:, ::-1])
    downwards = written(grid(values, "mm/h").isel(latitude=slice(None, None, -1)), tmp_path / f"b{suffix}")
    assert np.array_equal([each.values for each in gridded.read(downwards, range(2), None)], values[:, ::-1])


def test_missing_values_are_no_data_and_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((7, 3, 4))
    values[2, 1] = np.nan
    file = written(grid(values, "mm/h"), tmp_path / "a.nc")
    monkeypatch.setattr(gridded, "BLOCK_BYTES", 2 * 3 * 4 * 8)
    found = np.stack([each.values for each in gridded.read(file, range(1, 6), None)])
    np.testing.assert_allclose(found, values[1:6, ::-1], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        ({}, "rainfall", "has no variable rainfall; it has rain"),
        ({"units": "K"}, None, "has no variables that are rain; give --variable NAME, it has rain"),
        ({"units": "K"}, "rain", "rain has the unit K; its attribute units may be mm/h"),
        ({"units": None}, "rain", "rain has no unit"),
        ({"times": [1, 0, 2]}, None, "times are out of order, 2020-05-17 22:00 UTC follows 2020-05-17 22:10 UTC"),
        ({"times": [0, 0, 2]}, None, "times are out of order, 2020-05-17 22:00 UTC follows 2020-05-17 22:00 UTC"),
        ({"value": -9999.0}, None, "has rain rates from -9999 to -9999 mm/h; mark what is no data as missing"),
        ({"value": 5000.0}, None, "has rain rates from 5000 to 5000 mm/h"),
        ({"numbers": True}, None, "rain has no times along time"),
        ({"units": "mm", "count": 1}, None, "rain is an amount over no stated time"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(
    tmp_path: Path, change: dict[str, Any], asked: str | None, message: str
) -> None:
    values = np.full((change.get("count", 3), 2, 2), change.get("value", 1.0))
    dataset = grid(values, change.get("units", "mm/h"))
    if "times" in change:
        dataset = dataset.isel(time=change["times"])
    if "numbers" in change:
        dataset = dataset.assign_coords(time=[0, 1, 2])
    file = written(dataset, tmp_path / "a.nc")
    with pytest.raises(InputError, match=message):
        list(gridded.read(file, range(len(gridded.scans(file, asked))), asked))


def test_damage_is_told_in_a_line(tmp_path: Path) -> None:
    levels = np.zeros((9, 9), np.uint8)
    file = fmi_file(tmp_path, START, levels)
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(InputError, match="cannot be unpacked"):
        fmi.read(file)
    plain = tmp_path / "202005172200_fmi.pgm"
    plain.write_bytes(b"P5\n# obstime 202005172200\n9 9\n255\n" + levels.tobytes()[:-5])
    with pytest.raises(InputError, match="has 76 of 81 pixels"):
        fmi.read(plain)
    for name, module in (("RAD_202005172200.h5", knmi), ("a.h5", odim)):
        (tmp_path / name).write_bytes(b"no HDF5")
        with pytest.raises(InputError, match="is no HDF5 that can be read"):
            module.read(tmp_path / name)
    (tmp_path / "a.nc").write_bytes(b"no netCDF")
    with pytest.raises(InputError, match="is no netCDF 4 or Zarr that can be read"):
        gridded.scans(tmp_path / "a.nc", None)


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("66_20201031_020000.prcp-c10.nc", "66.prcp-c10"),
        ("T_PAAH21_C_EUOC_20130429043000.hdf", "T_PAAH21_C_EUOC"),
        ("20200101T0000Z.nc", "maps"),
        ("radar.zarr", "radar"),
    ],
)
def test_a_product_is_what_names_have_in_common(name: str, product: str) -> None:
    assert product_of(Path(name)) == product
