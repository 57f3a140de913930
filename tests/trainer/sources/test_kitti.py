"""Drives of KITTI: cameras of one drive are one source, and a number or a time that lacks is a gap."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.errors import InputError
from schemas.recipe import Recipe
from tests.shared_data import shared_file
from trainer.data.stores import open_store
from trainer.sources.kitti import survey
from trainer.sources.prepare import prepare
from trainer.sources.windows import cadence_of, unbroken

RAW = "2011_09_26/2011_09_26_drive_0001_sync"


def camera(folder: Path, numbers: list[int], width: int = 10) -> None:
    folder.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(np.zeros((4, 8), np.uint8)).save(folder / f"{number:0{width}}.png")


def stamps(file: Path, seconds: list[float]) -> None:
    file.write_text("".join(f"2011-09-26 13:02:{second:012.9f}\n" for second in seconds))


def test_cameras_and_forms_of_a_drive_are_one_source(tmp_path: Path) -> None:
    camera(tmp_path / RAW / "image_00" / "data", [0, 1])
    camera(tmp_path / RAW / "image_03" / "data", [0, 1])
    camera(tmp_path / "2011_09_26/2011_09_26_drive_0001_extract/image_00/data", [0, 1])
    camera(tmp_path / "2011_09_30/2011_09_30_drive_0020_sync/image_00/data", [0, 1])
    camera(tmp_path / "dataset/sequences/06/image_0", [0, 1], width=6)
    camera(tmp_path / "dataset/sequences/15/image_1", [0, 1], width=6)
    assert [(clip.name.split("/", 1)[1], clip.source) for clip in survey(tmp_path)] == [
        ("2011_09_26_drive_0001_extract/image_00/data", "2011_09_26_drive_0001"),
        ("2011_09_26_drive_0001_sync/image_00/data", "2011_09_26_drive_0001"),
        ("2011_09_26_drive_0001_sync/image_03/data", "2011_09_26_drive_0001"),
        ("2011_09_30_drive_0020_sync/image_00/data", "2011_09_30_drive_0020"),
        ("sequences/06/image_0", "2011_09_30_drive_0020"),
        ("sequences/15/image_1", "odometry 15"),
    ]


def test_time_stamps_belong_to_numbers_and_jitter_is_no_gap(tmp_path: Path) -> None:
    camera(tmp_path / RAW / "image_00" / "data", [1, 2, 4, 5, 6])
    stamps(tmp_path / RAW / "image_00" / "timestamps.txt", [1.0, 1.1, 1.21, 1.3, 1.4, 1.49, 1.8])
    (clip,) = survey(tmp_path)
    np.testing.assert_allclose(np.diff(clip.stamps), [0.11, 0.19, 0.09, 0.31], atol=1e-6)
    assert clip.epoch == 0
    assert unbroken(clip, 5) == [(0, 2), (2, 4), (4, 5)]


def test_odometry_counts_from_its_first_picture(tmp_path: Path) -> None:
    camera(tmp_path / "sequences/00/image_0", [0, 1, 2], width=6)
    (tmp_path / "sequences/00/times.txt").write_text("0.000000e+00\n1.038626e-01\n2.073421e-01\n")
    (clip,) = survey(tmp_path)
    assert clip.stamps == (0, 0.1038626, 0.2073421)
    assert clip.epoch is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([1.0, 1.1], "timestamps.txt has 2 time stamps, there is a picture 2"),
        ([1.0, 1.2, 1.1], "time stamps are out of order, line 3 is not after the one before"),
    ],
)
def test_time_stamps_that_cannot_be_are_told(tmp_path: Path, lines: list[float], message: str) -> None:
    camera(tmp_path / RAW / "image_00" / "data", [0, 1, 2])
    stamps(tmp_path / RAW / "image_00" / "timestamps.txt", lines)
    with pytest.raises(InputError, match=message):
        survey(tmp_path)


def test_lines_that_are_no_times_are_told(tmp_path: Path) -> None:
    camera(tmp_path / RAW / "image_00" / "data", [0, 1])
    (tmp_path / RAW / "image_00" / "timestamps.txt").write_text("now\nthen\n")
    with pytest.raises(InputError, match=r"timestamps.txt holds 'now'; its lines are times"):
        survey(tmp_path)


def test_another_layout_is_told(tmp_path: Path) -> None:
    camera(tmp_path / "camera", [0, 1])
    with pytest.raises(InputError, match=r"holds 2 \.png; give the folder with KITTI's drives, e.g. 2011_09_26/"):
        survey(tmp_path)


def test_no_window_spans_the_picture_that_the_real_drive_lacks(tmp_path: Path) -> None:
    drive = shared_file("data/kitti/2011_09_26/2011_09_26_drive_0039_extract/image_00/timestamps.txt").parents[2]
    fields = {"kind": "kitti", "height": 8, "width": 16, "frames": 2, "stride": 1, "shares": (0.4, 0.3, 0.3)}
    prepare(drive, Recipe.parse(fields), tmp_path / "a.zarr", workers=1)
    store = open_store(tmp_path / "a.zarr")
    first, times = (store[name].rows(0, len(store)) for name in ("first_frame", "valid_time"))
    assert first.max() < 15
    assert 1 not in first  # pictures 22 and 24
    np.testing.assert_allclose(np.diff(times, axis=1), 0.1, atol=0.01)
    (clip,) = survey(drive)
    assert store["cadence"].rows(0, 1)[0] == cadence_of(clip.stamps)
    assert unbroken(clip, len(clip.files)) == [(0, 2), (2, 15)]
