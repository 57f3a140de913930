"""DTDB's owners say what trains and what tests; what validates is taken from what trains."""

from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.recipe import Recipe
from tests.trainer.sources.footage import noise, video_of
from trainer.sources.dtdb import survey
from trainer.sources.prepare import prepare


def recipe(seed: int = 0) -> Recipe:
    return Recipe.parse({"kind": "dtdb", "seed": seed, "height": 12, "width": 16, "frames": 5})


def videos(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_folders_say_what_trains_and_what_tests(tmp_path: Path) -> None:
    names = [
        f"DTDB_{part}/{kind}/{i}.avi" for part in ("train", "test") for kind in ("fire", "fish") for i in range(10)
    ]
    clips = survey(videos(tmp_path, *names), recipe())
    assert {clip.split for clip in clips if clip.name.startswith("DTDB_test")} == {"test"}
    training = [clip.split for clip in clips if clip.name.startswith("DTDB_train")]
    assert (training.count("train"), training.count("validation")) == (16, 4)


def test_the_seed_decides_what_validates(tmp_path: Path) -> None:
    source = videos(tmp_path, *(f"Training/fire/{i}.avi" for i in range(20)), "Testing/fire/0.avi")
    chosen = {seed: [clip.split for clip in survey(source, recipe(seed))] for seed in (0, 1)}
    assert chosen[0] == [clip.split for clip in survey(source, recipe(0))] != chosen[1]


def test_a_store_says_that_the_split_is_published(tmp_path: Path) -> None:
    for name in ("train/fire/a", "train/fire/b", "train/smoke/c", "test/fire/d"):
        video_of(tmp_path / "dtdb" / f"{name}.avi", noise(11))
    report = prepare(tmp_path / "dtdb", recipe(), tmp_path / "a.zarr", workers=1)
    assert (report.by, report.sequences) == ("published", {"train": 4, "validation": 2, "test": 2})


def test_a_video_outside_both_folders_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds fire/a.avi, in no folder train or test; give DTDB's folder"):
        survey(videos(tmp_path, "fire/a.avi", "train/fire/b.avi"), recipe())


def test_a_single_video_to_train_cannot_validate(tmp_path: Path) -> None:
    for name in ("train/fire/a", "test/fire/d"):
        video_of(tmp_path / "dtdb" / f"{name}.avi", noise(11))
    with pytest.raises(InputError, match="split by published, there are 2 for train, 0 for validation, 2 for test"):
        prepare(tmp_path / "dtdb", recipe(), tmp_path / "a.zarr", workers=1)
