"""A store of rain: what is no data is marked, times are kept, and the scaling gives mm/h back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.rain import DbzScaling, LinearScaling
from schemas.recipe import Recipe
from tests.commands import run as run_datagen
from tests.trainer.sources.radar.files import START, fmi_file
from trainer.data.stores import open_store
from trainer.sources.prepare import Report, prepare
from trainer.sources.radar import fmi
from trainer.sources.rain import as_stored

COUNT = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write 40 maps of every 5 minutes but one, of 8x12 px with rain and, at the left, no data."""
    folder = tmp_path_factory.mktemp("radar")
    for step in range(COUNT):
        if step != 17:
            fmi_file(folder, START - timedelta(hours=6) + step * timedelta(minutes=5), levels_of(step))
    return folder


def levels_of(step: int) -> NDArray[np.uint8]:
    levels = np.random.default_rng(step).integers(64, 150, (8, 12)).astype(np.uint8)
    levels[:, :3] = 255
    levels[2, 5:] = 0
    return levels


def made(source: Path, out: Path, **fields: Any) -> Report:
    given = {"kind": "radar", "height": 8, "width": 12, "frames": 4, "stride": 2, "split_by": "time", **fields}
    return prepare(source, Recipe.parse(given), out, workers=1)


def rain_of(folder: Path) -> NDArray[np.float32]:
    """Return all maps of the folder in mm/h."""
    return np.stack([fmi.read(file).values for file in sorted(folder.glob("*.gz"))])


@pytest.mark.parametrize("scaling", ["linear", "dbz"])
def test_the_scaling_of_the_store_gives_the_rain_of_the_files(folder: Path, tmp_path: Path, scaling: str) -> None:
    made(folder, tmp_path / "a.zarr", scaling=scaling)
    store = open_store(tmp_path / "a.zarr")
    assert store.scaling is not None
    rain = rain_of(folder)
    for number, first in enumerate(store["first_frame"].rows(0, len(store))):
        expected = rain[first : first + 4]
        frames, valid = (store[name].rows(number, number + 1)[0] for name in ("frames", "valid"))
        assert np.array_equal(valid == 1, ~np.isnan(expected))
        assert not frames[valid == 0].any()
        known = store.scaling.rain_rate(frames)[valid == 1]
        np.testing.assert_allclose(known, expected[valid == 1], rtol=2e-5, atol=0.02 if scaling == "dbz" else 1e-6)


def test_no_window_spans_the_map_that_lacks_and_times_are_kept(folder: Path, tmp_path: Path) -> None:
    made(folder, tmp_path / "a.zarr", stride=1)
    with xr.open_zarr(tmp_path / "a.zarr") as opened:
        times = opened["valid_time"].values
        assert times.dtype.kind == "M"
        assert opened["frames"].attrs["units"] == "1"
        assert opened.attrs["scaling"] == {"kind": "linear", "unit": "mm/h", "full_scale": 64.0}
        np.testing.assert_array_equal(opened["cadence"], 300)
    assert (np.diff(times, axis=1) == np.timedelta64(5, "m")).all()
    missing = np.datetime64((START - timedelta(hours=6) + 17 * timedelta(minutes=5)).replace(tzinfo=None))
    assert not (times == missing).any()


def test_every_second_map_doubles_the_cadence(folder: Path, tmp_path: Path) -> None:
    made(folder, tmp_path / "a.zarr", every=2, frames=2, stride=1)
    store = open_store(tmp_path / "a.zarr")
    times = store["valid_time"].rows(0, len(store))
    assert (np.diff(times, axis=1) == 600).all()
    assert (store["cadence"].rows(0, len(store)) == 600).all()


def test_datagen_reads_the_store_too(folder: Path, tmp_path: Path) -> None:
    made(folder, tmp_path / "a.zarr")
    for command in (("verify",), ("inspect",), ("preview", "--out", tmp_path / "a.png")):
        done = run_datagen(command[0], tmp_path / "a.zarr", *command[1:])
        assert (done.code, done.err) == (0, ""), done


def test_a_map_without_data_is_a_gap_that_is_listed(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "radar"
    source.mkdir()
    for file in folder.iterdir():
        (source / file.name).write_bytes(file.read_bytes())
    fmi_file(source, START - timedelta(hours=6) + 5 * timedelta(minutes=5), np.full((8, 12), 255, np.uint8))
    report = made(source, tmp_path / "a.zarr", stride=1)
    assert report.skipped == ["fmi/2020-05-17: picture 5 has no data in the part that is used"]
    store = open_store(tmp_path / "a.zarr")
    first = store["first_frame"].rows(0, len(store))
    assert not np.isin(first, range(2, 6)).any()


def test_no_data_everywhere_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"nothing could be read: .* has no data in the part that is used; and 38 more"
    ):
        made(folder, tmp_path / "a.zarr", crop={"height": 2, "width": 3, "top": 0, "left": 0})


def test_linear_rain_is_not_clipped() -> None:
    rain = np.array([0, 0.1, 64, 150, np.nan], np.float32)
    stored = as_stored(rain, LinearScaling())
    np.testing.assert_allclose(stored, [0, 0.1 / 64, 1, 150 / 64, np.nan], rtol=1e-6)
    np.testing.assert_allclose(LinearScaling().rain_rate(stored), rain, rtol=1e-6)


def test_reflectivity_has_the_pixels_of_hko_7() -> None:
    rain = np.array([0.5, 2, 5, 10, 30])
    np.testing.assert_allclose(as_stored(rain, DbzScaling()), [0.3283, 0.4624, 0.5511, 0.6182, 0.7245], atol=5e-5)


def test_reflectivity_comes_back_as_rain() -> None:
    rain = np.array([0, 1e-3, 0.1, 1, 100, np.nan])
    back = DbzScaling().rain_rate(as_stored(rain, DbzScaling()))
    np.testing.assert_allclose(back, [0, 0, 0.1, 1, 100, np.nan], rtol=1e-5)
