"""`trainer prepare` as its users run it: every option reaches the recipe, and every mistake is one line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from schemas.recipe import SourceKind
from tests.shared_data import shared_file
from tests.trainer.commands import run
from tests.trainer.data.web import Served, serving
from tests.trainer.sources.footage import noise, video_of
from tests.trainer.sources.radar.files import grid, written
from trainer.sources.owners import OWNERS, Download, how
from trainer.sources.writing import stored_attributes


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return video_of(tmp_path / "v" / "a.avi", noise(60))


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (["--size", "8"], {"height": 8, "width": 8}),
        (["--size", "6x8"], {"height": 6, "width": 8}),
        (["--crop", "10x12"], {"crop": {"height": 10, "width": 12, "top": None, "left": None}}),
        (["--crop", "10x12+1+3"], {"crop": {"height": 10, "width": 12, "top": 1, "left": 3}}),
        (["--frames", "2", "--stride", "1", "--every", "2"], {"frames": 2, "stride": 1, "every": 2}),
        (["--split-by", "time", "--shares", "60,20,20"], {"split_by": "time", "shares": [0.6, 0.2, 0.2]}),
        (["--seed", "7", "--train", "2", "--on-damage", "skip"], {"seed": 7, "train": 2, "on_damage": "skip"}),
    ],
)
def test_options_reach_the_recipe(clip: Path, tmp_path: Path, options: list[str], fields: dict[str, Any]) -> None:
    size = () if "--size" in options else ("--size", "8")
    frames = () if "--frames" in options else ("--frames", "3")
    done = run("prepare", "video", clip.parent, "--out", tmp_path / "a.zarr", *size, *frames, *options)
    assert (done.code, done.out) == (0, f"{tmp_path / 'a.zarr'}\n"), done
    attributes = stored_attributes(tmp_path / "a.zarr")
    assert attributes is not None
    assert {name: attributes["recipe"][name] for name in fields} == fields


def test_axes_reach_the_recipe_and_a_store_is_overwritten_where_asked(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.stack([noise(6, 8, 8, seed) for seed in range(9)]))
    arguments = ("prepare", "array", tmp_path / "a.npy", "--out", tmp_path / "a.zarr", "--size", "8", "--frames", "3")
    assert "the longest has 9" in run(*arguments, "--frames", "10").error  # of the sequences, taken for frames
    assert run(*arguments).code == 0
    axes = ("--axes", "sequence,time,y,x")
    assert "give another --out, or --overwrite" in run(*arguments, *axes).error
    done = run(*arguments, *axes, "--overwrite")
    assert done.err.startswith("18 sequences of 1 sources"), done


def test_runs_that_are_too_short_are_said(clip: Path, tmp_path: Path) -> None:
    video_of(clip.parent / "short.avi", noise(2))
    done = run("prepare", "video", clip.parent, "--out", tmp_path / "a.zarr", "--size", "8", "--frames", "3")
    assert done.err.splitlines()[0] == "dropped: 1 runs of frames that are shorter than a sequence"


def test_it_says_what_the_store_holds_and_what_not(clip: Path, tmp_path: Path) -> None:
    arguments = ("prepare", "video", clip, "--out", tmp_path / "a.zarr", "--size", "8", "--frames", "3", "--json")
    done = run(*arguments)
    assert done.err.splitlines() == [
        "17 sequences of 1 sources: 12 for train, 2 for validation, 3 for test, split by time"
    ]
    found = json.loads(done.out)
    assert found["sequences"] == {"train": 12, "validation": 2, "test": 3}
    assert run(*arguments).err.endswith("3 for test, which were there already\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--size", "8by8"], "--size is 8by8; give a side or height x width in px, e.g. 128 or 96x128"),
        (["--crop", "10"], "--crop is 10; give height x width in px and maybe row and column, e.g. 112x112+4+24"),
        (["--shares", "70,x"], "--shares is 70,x; give three numbers that add up to 100, e.g. 70,15,15"),
        (
            ["--crop", "99x99"],
            "the crop 99x99 at row -44, column -42 lies outside pictures of 12x16 px; give a smaller one",
        ),
        (
            ["--frames", "200"],
            "no clip has 200 frames without a gap, the longest has 60; give fewer --frames or longer clips",
        ),
    ],
)
def test_a_mistake_is_one_line(clip: Path, tmp_path: Path, options: list[str], said: str) -> None:
    done = run("prepare", "video", clip, "--out", tmp_path / "a.zarr", *options)
    assert (done.code, done.error) == (1, said)


def test_a_store_behind_a_url_is_refused(clip: Path) -> None:
    done = run("prepare", "video", clip, "--out", "s3://bucket/a.zarr")
    assert (done.code, done.error[:36]) == (1, "--out s3://bucket/a.zarr is a URL; g")


def test_the_samples_of_kth_all_fall_into_one_split(tmp_path: Path) -> None:
    folder = shared_file("data/kth/00sequences.txt").parent
    arguments = ("prepare", "kth", folder, "--out", tmp_path / "a.zarr", "--size", "16", "--workers", "1")
    done = run(*arguments)
    assert done.error == (
        "split by published, there are 0 for train, 66 for validation, 0 for test; give --split-by source or time, or "
        "more of the data set"
    )
    done = run(*arguments, "--split-by", "time")
    assert done.code == 0
    assert "split by time" in done.err


def test_variable_and_scaling_reach_the_recipe(tmp_path: Path) -> None:
    dataset = grid(np.ones((60, 8, 8)), "mm/h")
    dataset["other"] = (dataset["rain"] * 2).assign_attrs(dataset["rain"].attrs)
    written(dataset, tmp_path / "rain.nc")
    arguments = ("prepare", "radar", tmp_path, "--out", tmp_path / "a.zarr", "--size", "8", "--frames", "3")
    assert "give --variable NAME, it has rain, other" in run(*arguments).error
    done = run(*arguments, "--variable", "other", "--scaling", "dbz", "--split-by", "time")
    assert done.code == 0, done
    attributes = stored_attributes(tmp_path / "a.zarr")
    assert attributes is not None
    assert (attributes["recipe"]["variable"], attributes["scaling"]["kind"]) == ("other", "dbz")


@pytest.mark.parametrize("kind", get_args(SourceKind))
def test_how_says_where_a_data_set_is(kind: SourceKind) -> None:
    done = run("prepare", "--how", kind)
    assert (done.code, done.err) == (0, "")
    assert done.out.rstrip("\n") == how(kind)


def test_what_cannot_be_fetched_says_how_it_is_had(tmp_path: Path) -> None:
    done = run("prepare", "kitti", tmp_path / "kitti", "--out", tmp_path / "a.zarr", "--download")
    assert (done.code, done.error) == (1, "--download cannot fetch kitti; see `trainer prepare --how kitti`")


def test_a_data_set_is_fetched_and_prepared_by_one_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "served").mkdir()
    np.save(tmp_path / "served" / "a.npy", np.stack([noise(9, 8, 8, seed) for seed in range(6)], axis=1))
    with serving(Served(tmp_path / "served")) as served:
        owner = replace(OWNERS["array"], downloads=(Download(url=f"{served.url}/a.npy", checksum=None),))
        monkeypatch.setitem(OWNERS, "array", owner)  # type: ignore[arg-type]
        done = run(
            "prepare",
            "array",
            tmp_path / "here",
            "--out",
            tmp_path / "a.zarr",
            "--size",
            "8",
            "--frames",
            "3",
            "--download",
        )
    assert (done.code, done.out) == (0, f"{tmp_path / 'a.zarr'}\n"), done
    assert (tmp_path / "here" / "a.npy").exists()
