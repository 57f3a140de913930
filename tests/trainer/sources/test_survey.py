"""Clips are found by the layout of their owners, and another layout is refused in words."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from schemas.errors import InputError
from schemas.recipe import Recipe
from tests.shared_data import shared_file
from tests.trainer.sources.footage import folder_of, noise
from trainer.sources.found import found
from trainer.sources.pictures import pictures


def recipe(kind: str, **fields: Any) -> Recipe:
    return Recipe.parse({"kind": kind, **fields})


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_videos_and_folders_of_images_are_clips_in_natural_order(tmp_path: Path) -> None:
    touch(tmp_path, "b10.mp4", "b9.avi", "a/walk.MOV", "notes.txt", "a/.hidden.png")
    folder_of(tmp_path / "b9.5", noise(3))
    clips = found(tmp_path, recipe("video"))
    assert [clip.name for clip in clips] == ["a/walk.MOV", "b9.5", "b9.avi", "b10.mp4"]
    assert [len(clip.files) for clip in clips] == [1, 3, 1, 1]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["f7.png", "f8.png", "f10.png"], (7, 8, 10)),
        (["f7.png", "f.png"], ()),
        (["a1.png", "b1.png"], ()),
    ],
)
def test_images_are_numbered_where_all_their_names_say_it(
    tmp_path: Path, names: list[str], numbers: tuple[int, ...]
) -> None:
    (clip,) = found(touch(tmp_path, *names), recipe("video"))
    assert clip.numbers == numbers


def test_kth_has_persons_and_the_listed_frames(tmp_path: Path) -> None:
    touch(tmp_path, *(f"walking/person{person}_walking_d1_uncomp.avi" for person in ("01", "02", "11", "22", "25")))
    (tmp_path / "00sequences.txt").write_text("person01_walking_d1\t\tframes\t1-75, 152-225\n", encoding="latin-1")
    clips = found(tmp_path, recipe("kth"))
    assert [clip.split for clip in clips] == ["validation", "test", "train", "test", "validation"]
    assert clips[0].ranges == ((0, 75), (151, 225))
    assert clips[1].ranges == ()


def test_the_list_of_kth_is_read_as_published(tmp_path: Path) -> None:
    folder = shared_file("data/kth/00sequences.txt").parent
    ranges = {clip.name.split("/")[1][:8]: clip.ranges for clip in found(folder, recipe("kth"))}
    assert ranges["person01"] == ((0, 75), (151, 225), (324, 400), (479, 555))
    assert ranges["person04"][0][0] >= 0
    listed = (folder / "00sequences.txt").read_text(encoding="latin-1")
    for rule, split in (("Training", "train"), ("Validation", "validation"), ("Test", "test")):
        (line,) = (line for line in listed.splitlines() if line.startswith(f"{rule}:"))
        for person in line.split("person")[1].split(","):
            (clip,) = found(touch(tmp_path / person.strip(), f"person{int(person):02}_boxing_d4.avi"), recipe("kth"))
            assert clip.split == split


@pytest.mark.parametrize(
    ("shape", "axes", "sequences", "time"),
    [
        ((7, 3, 4, 5), None, 3, 7),
        ((3, 7, 4, 5), ("sequence", "time", "y", "x"), 3, 7),
        ((7, 4, 5), None, 1, 7),
        ((3, 7, 1, 4, 5), ("sequence", "time", "channel", "y", "x"), 3, 7),
        ((7, 1, 4, 5), ("time", "channel", "y", "x"), 1, 7),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_are_read_sequence_by_sequence(
    tmp_path: Path, suffix: str, shape: tuple[int, ...], axes: tuple[str, ...] | None, sequences: int, time: int
) -> None:
    values = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    (np.save if suffix == ".npy" else np.savez)(tmp_path / f"a{suffix}", values)
    asked = recipe("array", axes=axes)
    (clip,) = found(tmp_path, asked)
    assert clip.ranges == tuple((start * time, (start + 1) * time) for start in range(sequences))
    read = np.stack([values for _, values, *_ in pictures(clip, asked) if values is not None])
    expected = values.reshape(7, 3, 4, 5).swapaxes(0, 1) if shape == (7, 3, 4, 5) else values
    assert np.array_equal(read, expected.reshape(sequences * time, 4, 5))


@pytest.mark.parametrize(
    ("kind", "names", "said"),
    [
        ("video", ["a.txt", "b.txt", "c"], "holds 2 .txt, 1 without suffix; give a folder with videos or with folders"),
        ("video", [], "holds no files; give a folder"),
        ("kth", ["walk.mp4"], "holds 1 .mp4; give the folder with KTH's videos, e.g. walking/person01_walking_d1"),
        ("kth", ["person26_walking_d1.avi"], "there is a video of person 26; KTH has 1 to 25"),
        ("array", ["a.npz.txt"], "holds 1 .txt; give a folder with .npy or .npz files"),
        ("array", ["a.npy"], "a.npy is no array that can be read"),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, kind: str, names: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        found(touch(tmp_path, *names), recipe(kind))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("array", "axes", "said"),
    [
        (np.zeros((2, 2)), None, "has the shape (2, 2); give e.g. --axes sequence,time,y,x"),
        (np.zeros((2, 2, 2)), ("sequence", "time", "y", "x"), "(2, 2, 2), --axes names 4; give e.g."),
        (np.zeros((2, 2, 2), np.int64), None, "holds (2, 2, 2) int64; give uint8, uint16, or floats in [0, 1]"),
        (np.zeros((0, 2, 2)), None, "holds (0, 2, 2) float64"),
        (np.zeros((2, 3, 2, 2)), ("time", "channel", "y", "x"), "has 3 channels; give grey frames, of one"),
    ],
)
def test_an_array_of_another_form_is_refused(tmp_path: Path, array: Any, axes: Any, said: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError) as caught:
        found(tmp_path, recipe("array", axes=axes))
    assert said in str(caught.value)


def test_floats_beyond_full_scale_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.linspace(0, 1.5, 12).reshape(3, 2, 2))
    asked = recipe("array")
    (clip,) = found(tmp_path, asked)
    with pytest.raises(InputError, match=r"sequence 0, has values from 1\.09\d+ to 1\.5; give floats in"):
        list(pictures(clip, asked))


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing does not exist; give the folder that holds the files"):
        found(tmp_path / "nothing", recipe("video"))
