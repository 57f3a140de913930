"""Maps of a product are one clip a day; gaps, damage and double times are told."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import InputError
from schemas.recipe import Recipe
from tests.trainer.sources.radar.files import START, fmi_file, grid, knmi_file, mch_file, odim_file, written
from trainer.sources.radar.survey import pictures, survey
from trainer.sources.windows import unbroken

RECIPE = Recipe(kind="radar")
DRY = np.zeros((4, 6), np.uint8)
MINUTES = timedelta(minutes=5)


def test_a_clip_is_a_day_of_a_product_in_the_order_of_time(tmp_path: Path) -> None:
    for step in (30, 0, 23, 24, 1):  # 22:00, 22:05, 23:55, 00:00 and 00:30
        fmi_file(tmp_path / "fmi", START + step * MINUTES, DRY)
        mch_file(tmp_path / "mch", START + step * MINUTES, DRY)
    clips = survey(tmp_path, RECIPE)
    assert [(clip.name, clip.source) for clip in clips] == [
        ("fmi/fmi/2020-05-17", "2020-05-17"),
        ("fmi/fmi/2020-05-18", "2020-05-18"),
        ("mch/AQC/2020-05-17", "2020-05-17"),
        ("mch/AQC/2020-05-18", "2020-05-18"),
    ]
    assert clips[0].stamps == tuple((START + step * MINUTES).timestamp() for step in (0, 1, 23))
    assert clips[0].epoch == 0


def test_two_radars_in_one_folder_are_two_products(tmp_path: Path) -> None:
    for station in ("2", "66"):
        written(grid(np.zeros((1, 3, 4)), "mm/h"), tmp_path / f"{station}_20200517_220000.prcp.nc")
    assert [clip.name for clip in survey(tmp_path, RECIPE)] == ["2.prcp/2020-05-17", "66.prcp/2020-05-17"]


def test_time_without_a_map_is_a_gap_and_so_is_half_a_step(tmp_path: Path) -> None:
    for minutes in (0, 5, 10, 20, 25, 30, 31, 36):
        fmi_file(tmp_path, START + timedelta(minutes=minutes), DRY)
    (clip,) = survey(tmp_path, RECIPE)
    assert unbroken(clip, len(clip.stamps)) == [(0, 3), (3, 6), (6, 8)]


def test_maps_of_many_times_in_a_file_are_days_too(tmp_path: Path) -> None:
    values = np.arange(60.0)[:, None, None] * np.ones((1, 2, 3))
    written(grid(values, "mm/h", minutes=5), tmp_path / "a.zarr")
    first, second = survey(tmp_path, RECIPE)
    assert [len(clip.stamps) for clip in (first, second)] == [24, 36]
    found = [(place, rain) for place, rain in pictures(second, RECIPE)]
    assert [place for place, _ in found] == list(range(36))
    assert all(np.all(rain.values == 24 + place) for place, rain in found if not isinstance(rain, InputError))


def test_files_of_several_times_that_follow_each_other_are_one_clip(tmp_path: Path) -> None:
    whole = grid(np.arange(12.0)[:, None, None] * np.ones((1, 2, 3)), "mm/h", minutes=5)
    for hour, part in enumerate((whole.isel(time=slice(0, 7)), whole.isel(time=slice(7, 12)))):
        written(part, tmp_path / f"rain_2020051722{hour:02}.nc")
    (clip,) = survey(tmp_path, RECIPE)
    assert clip.places == (0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4)
    values = [rain.values[0, 0] for _, rain in pictures(clip, RECIPE) if not isinstance(rain, InputError)]
    assert values == list(range(12))


def test_hdf5_is_told_apart_by_what_it_holds(tmp_path: Path) -> None:
    knmi_file(tmp_path, START, np.full((2, 2), 25, np.uint16))
    odim_file(tmp_path / "b_202005172200.h5", START, np.full((2, 2), 34, np.uint8), "RATE", 0.1, 0)
    written(grid(np.full((1, 2, 2), 5.0), "mm/h"), tmp_path / "c.nc").rename(tmp_path / "c.h5")
    found = {}
    for clip in survey(tmp_path, RECIPE):
        ((_, rain),) = pictures(clip, RECIPE)
        assert not isinstance(rain, InputError)
        found[clip.name.split("/")[0]] = rain.values[0, 0]
    assert found == pytest.approx({"RAD_NL25_RAP_5min": 3.0, "b": 3.4, "c": 5.0})


def test_two_maps_of_one_time_are_refused(tmp_path: Path) -> None:
    fmi_file(tmp_path / "a", START, DRY)
    fmi_file(tmp_path / "b", START, DRY)
    with pytest.raises(
        InputError, match=r"a/202005172200_fmi.pgm.gz and .* are both of 2020-05-17 22:00 UTC; take one"
    ):
        survey(tmp_path, RECIPE)


def test_a_file_of_another_time_than_its_name_says_is_told(tmp_path: Path) -> None:
    fmi_file(tmp_path, START, DRY, said=START + timedelta(hours=1))
    (clip,) = survey(tmp_path, RECIPE)
    ((place, told),) = pictures(clip, RECIPE)
    assert place == 0
    assert "is of 2020-05-17 23:00 UTC within, 2020-05-17 22:00 UTC by its name" in str(told)


def test_what_follows_damage_is_read(tmp_path: Path) -> None:
    for step in range(3):
        fmi_file(tmp_path, START + step * MINUTES, DRY)
    (tmp_path / "202005172205_fmi.pgm.gz").write_bytes(b"\x1f\x8bno")
    (clip,) = survey(tmp_path, RECIPE)
    found = list(pictures(clip, RECIPE))
    assert [place for place, _ in found] == [0, 1, 2]
    assert [isinstance(rain, InputError) for _, rain in found] == [False, True, False]


@pytest.mark.parametrize("name", ["notes.txt", "a.png"])
def test_a_folder_without_radar_files_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(
        InputError, match=rf"holds 1 \.{name[-3:]}; give a folder with FMI's .pgm.gz, MeteoSwiss's .gif"
    ):
        survey(tmp_path, RECIPE)


def test_names_of_other_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "smoke.gif").touch()
    with pytest.raises(InputError, match=r"smoke.gif is named as no file of MeteoSwiss"):
        survey(tmp_path, RECIPE)


def test_times_are_utc(tmp_path: Path) -> None:
    file = mch_file(tmp_path, START, DRY)
    (clip,) = survey(file, RECIPE)
    assert datetime.fromtimestamp(clip.stamps[0], START.tzinfo) == START
