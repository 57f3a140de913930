"""Videos decode to the frames and grey levels that are known of them, and are cut only where a scene ends."""

import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.recipe import Recipe
from tests.shared_data import shared_file
from tests.trainer.sources.footage import noise, video_of
from trainer.sources.cuts import CutFinder
from trainer.sources.found import found
from trainer.sources.pictures import pictures
from trainer.sources.video import grey

VIDEO = Recipe.parse({"kind": "video"})


def known() -> list[dict[str, str]]:
    return list(csv.DictReader(shared_file("data/CLIPS.csv").read_text().splitlines()))


def frames_of(path: Path) -> NDArray[Any]:
    (clip,) = found(path, VIDEO)
    return np.stack([values for _, values, *_ in pictures(clip, VIDEO) if values is not None])


def cuts_of(frames: NDArray[Any]) -> list[int]:
    finder = CutFinder(255)
    for frame in frames:
        finder.add(frame)
    return finder.cuts()


NAMES = [
    "dtdb/bubble/55fa210.avi",
    "dtdb/fire/fire.avi",
    "dtdb/fish/fish.mp4",
    "dtdb/river/boats_input.mp4",
    "dtdb/river/seawave.avi",
    "dtdb/smoke/smoke_plume_1.gif",
    "kth/handwaving/person01_handwaving_d1_uncomp.avi",
    "kth/running/person04_running_d1_uncomp.avi",
    "kth/walking/person01_walking_d1_uncomp.avi",
    "traffic/crosswalk/pedestrians.avi",
    "traffic/highway/highway.avi",
    "dtdb/fish/fish_school/",
    "kitti/2011_09_26/2011_09_26_drive_0039_extract/image_00/data/",
    "kitti/dataset/sequences/06/image_0/",
    "traffic/pets2001_dataset3_camera1/input/",
]


def test_every_known_clip_is_tried() -> None:
    assert [row["path"] for row in known()] == NAMES


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_real_clips_have_their_frames_and_grey_levels_and_no_cut(name: str) -> None:
    (row,) = (row for row in known() if row["path"] == name)
    frames = frames_of(shared_file("data/CLIPS.csv").parent / name)
    assert len(frames) == int(row["frames_pyav"])
    assert frames.shape[1:] == (int(row["height"]), int(row["width"]))
    # Pillow's and FFmpeg's grey of colour images differ by parts of a level.
    assert frames.mean() == pytest.approx(float(row["mean_gray"]), abs=0.5 if row["kind"] == "frames" else 2e-3)
    changes = [np.abs(b.astype(np.int16) - a).mean() for a, b in pairwise(frames)]
    assert np.mean(changes) == pytest.approx(float(row["mean_abs_frame_difference"]), abs=0.1)
    assert cuts_of(frames[:, ::4, ::4]) == []


def test_another_scene_is_a_cut() -> None:
    scenes = [noise(7, seed=0), noise(5, seed=1), noise(9, seed=2)]
    assert cuts_of(np.concatenate(scenes)) == [7, 12]


def test_what_changes_all_the_time_is_no_cut() -> None:
    assert cuts_of(np.random.default_rng(0).integers(0, 256, (20, 12, 16), np.uint8)) == []


def test_cadence_is_that_of_the_file(tmp_path: Path) -> None:
    frames = noise(4)
    (clip,) = found(video_of(tmp_path / "a.avi", frames), VIDEO)
    read = list(pictures(clip, VIDEO))
    assert np.array_equal(np.stack([values for _, values, *_ in read if values is not None]), frames)
    assert [cadence for _, _, cadence, _ in read] == [pytest.approx(0.1)] * 4


@pytest.mark.parametrize(
    ("codec", "pixels", "said"),
    [
        ("ffv1", "gray", r"a.avi cannot be read as a video after frame \d+: "),
        ("mpeg4", "yuv420p", r"a.avi ends after \d+ of 40 frames; get it again"),  # FFmpeg says nothing
    ],
)
def test_a_video_that_is_cut_off_says_where(tmp_path: Path, codec: str, pixels: str, said: str) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (40, 64, 64), np.uint8)
    file = video_of(tmp_path / "a.avi", frames, codec, pixels)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=said):
        frames_of(file)


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("mpeg4", "yuv420p"),
        ("libx264", "yuv444p"),
        ("libx264", "yuvj420p"),
        ("mjpeg", "yuvj422p"),
    ],
)
def test_brightness_is_that_of_ffmpegs_own_conversion(tmp_path: Path, codec: str, pixels: str) -> None:
    colours = np.random.default_rng(2).integers(0, 256, (3, 18, 50, 3)).astype(np.uint8)  # lines are padded
    file = video_of(tmp_path / "a.avi", colours, codec, pixels)
    with av.open(str(file)) as opened:
        for frame in opened.decode(video=0):
            assert frame.format.name == pixels
            assert np.array_equal(grey(frame), frame.to_ndarray(format="gray"))
