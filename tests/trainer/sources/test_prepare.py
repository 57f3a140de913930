"""A folder of files becomes a store: the same bytes however it came about, and nothing is lost without a word."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import datagen
from schemas.errors import InputError, LockedStoreError
from schemas.recipe import Recipe
from tests.commands import run as run_datagen
from tests.trainer.commands import start
from tests.trainer.sources.footage import folder_of, noise, video_of
from tests.waiting import wait_for
from trainer.data.splits import select
from trainer.data.stores import open_store
from trainer.sources.decoding import decode
from trainer.sources.prepare import Progress, Report, prepare


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Write four clips of 24 to 30 frames, of which one is a folder of images."""
    for number in range(3):
        video_of(tmp_path / "videos" / f"clip{number}.avi", noise(24 + number, seed=number))
    folder_of(tmp_path / "videos" / "images", noise(30, seed=9))
    return tmp_path / "videos"


def recipe(**fields: Any) -> Recipe:
    return Recipe.parse({"kind": "video", "height": 12, "width": 16, "frames": 6, "stride": 4, **fields})


def made(source: Path, out: Path, workers: int = 1, overwrite: bool = False, **fields: Any) -> Report:
    return prepare(source, recipe(**fields), out, workers=workers, overwrite=overwrite)


def array_objects(store: Path) -> dict[str, bytes]:
    files = (path for path in store.rglob("*") if path.is_file() and path.name != "zarr.json")
    return {path.relative_to(store).as_posix(): path.read_bytes() for path in files}


def test_sequences_are_windows_of_the_clips(videos: Path, tmp_path: Path) -> None:
    report = made(videos, tmp_path / "a.zarr")
    store = zarr.open_group(tmp_path / "a.zarr", mode="r")
    sources = store.attrs["sources"]
    assert sources == ["clip0.avi", "clip1.avi", "clip2.avi", "images"]
    clips = [noise(24), noise(25, seed=1), noise(26, seed=2), noise(30, seed=9)]
    frames, source, first = (np.asarray(store[name]) for name in ("frames", "source_file", "first_frame"))
    for sequence, clip, start_ in zip(frames, source, first, strict=True):
        assert np.array_equal(sequence, clips[clip][start_ : start_ + 6])
    assert list(zip(source, first, strict=True)) == [
        (clip, start_) for clip, frames_ in enumerate(clips) for start_ in range(0, len(frames_) - 5, 4)
    ]
    cadence = np.asarray(store["cadence"])
    np.testing.assert_allclose(cadence[source < 3], 0.1)
    assert np.isnan(cadence[source == 3]).all()
    assert (report.by, report.sources, sum(report.sequences.values())) == ("source", 4, len(frames))


def test_the_same_bytes_come_from_any_number_of_processes_and_twice(videos: Path, tmp_path: Path) -> None:
    first = made(videos, tmp_path / "a.zarr")
    made(videos, tmp_path / "b.zarr", workers=2)
    assert array_objects(tmp_path / "a.zarr") == array_objects(tmp_path / "b.zarr")
    again = made(videos, tmp_path / "a.zarr")
    assert (again.sequences, again.by) == (first.sequences, None)
    assert not list(tmp_path.glob("*.work"))


def test_both_programs_and_xarray_read_the_store(videos: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    report = made(videos, path)
    store = open_store(path)
    counts = {split: len(select(store, split)) for split in ("train", "validation", "test")}
    assert counts == dict(report.sequences)
    assert datagen.open_store(path)["frames"].shape == (len(store), 6, 12, 16)
    for command in ("verify", "inspect"):
        done = run_datagen(command, path)
        assert (done.code, done.err) == (0, ""), done
    assert run_datagen("preview", path, "--out", tmp_path / "a.gif").code == 0
    assert run_datagen("export", path, tmp_path / "a.npy").code == 0
    with xr.open_zarr(path) as opened:
        assert opened["frames"].dims == ("sequence", "time", "y", "x")
        assert opened["split"].attrs["flag_meanings"] == "train validation test"


def test_a_store_of_one_clip_misses_nothing(tmp_path: Path) -> None:
    video_of(tmp_path / "v" / "a.avi", noise(60))
    made(tmp_path / "v", tmp_path / "a.zarr")
    assert not np.asarray(zarr.open_group(tmp_path / "a.zarr", mode="r")["source_file"]).any()
    done = run_datagen("verify", tmp_path / "a.zarr")
    assert (done.code, done.err) == (0, ""), done


def test_every_k_th_picture_is_kept_within_each_run(tmp_path: Path) -> None:
    frames = noise(40)
    video_of(tmp_path / "v" / "a.avi", frames)
    made(tmp_path / "v", tmp_path / "a.zarr", every=2, frames=2, stride=2)
    store = zarr.open_group(tmp_path / "a.zarr", mode="r")
    for sequence, first, cadence in zip(store["frames"], store["first_frame"], store["cadence"], strict=True):
        assert np.array_equal(sequence, frames[[first, first + 2]])
        assert cadence == pytest.approx(0.2)


def test_no_window_spans_a_number_that_lacks_nor_a_cut(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "v" / "holed", noise(40))
    (folder / "frame13.png").unlink()
    video_of(tmp_path / "v" / "cut.avi", np.concatenate([noise(17), noise(23, seed=5)]))
    made(tmp_path / "v", tmp_path / "a.zarr", split_by="time", stride=1, frames=3)
    store = zarr.open_group(tmp_path / "a.zarr", mode="r")
    source, first = np.asarray(store["source_file"]), np.asarray(store["first_frame"])
    for name, gap in (("holed", 13), ("cut.avi", 17)):
        starts = first[source == store.attrs["sources"].index(name)]
        assert {gap - 3, gap} <= set(starts.tolist())
        assert not {gap - 2, gap - 1} & set(starts.tolist())


def test_frames_are_float_as_soon_as_one_clip_has_more_than_8_bits(tmp_path: Path) -> None:
    deep = noise(24).astype(np.uint16) * 200
    for number in range(2):
        folder_of(tmp_path / "v" / f"deep{number}", deep)
    video_of(tmp_path / "v" / "z.avi", noise(24))
    made(tmp_path / "v", tmp_path / "a.zarr")
    store = zarr.open_group(tmp_path / "a.zarr", mode="r")
    frames, source = np.asarray(store["frames"]), np.asarray(store["source_file"])
    assert frames.dtype == np.float32
    np.testing.assert_allclose(frames[source == 0][0], deep[:6] / 65_535, rtol=1e-6)
    np.testing.assert_allclose(frames[source == 2][0], noise(24)[:6] / 255, rtol=1e-6)


def test_damage_stops_or_is_skipped_and_listed(videos: Path, tmp_path: Path) -> None:
    (videos / "clip1.avi").write_bytes(b"RIFF no video")
    (videos / "images" / "frame7.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"clip1.avi cannot be read as a video"):
        made(videos, tmp_path / "a.zarr")
    report = made(videos, tmp_path / "b.zarr", on_damage="skip")
    assert [line.split(" ")[0].rsplit("/")[-1] for line in report.skipped] == ["clip1.avi", "frame7.png"]
    store = zarr.open_group(tmp_path / "b.zarr", mode="r")
    assert store.attrs["skipped"] == list(report.skipped)
    images = np.asarray(store["first_frame"])[np.asarray(store["source_file"]) == 2]
    assert images.tolist() == [0, *range(8, 25, 4)]


def test_a_clip_of_two_sizes_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path / "v" / "a", noise(5))
    folder_of(tmp_path / "w", noise(1, height=24, width=32))
    (tmp_path / "w" / "frame0.png").rename(tmp_path / "v" / "a" / "frame5.png")
    with pytest.raises(InputError, match="picture 5 has 24x32 px, those before 12x16; give clips of one size each"):
        made(tmp_path / "v", tmp_path / "a.zarr")


def test_a_clip_of_8_and_16_bits_is_refused(tmp_path: Path) -> None:
    folder_of(tmp_path / "v" / "a", noise(5))
    folder_of(tmp_path / "w", noise(1).astype(np.uint16) * 200)
    (tmp_path / "w" / "frame0.png").rename(tmp_path / "v" / "a" / "frame5.png")
    with pytest.raises(InputError, match="picture 5 is uint16, those before are uint8; give clips of one kind each"):
        made(tmp_path / "v", tmp_path / "a.zarr")


def test_images_directly_in_the_source_have_its_name(tmp_path: Path) -> None:
    made(folder_of(tmp_path / "walk", noise(40)), tmp_path / "a.zarr", stride=1, frames=3)
    assert zarr.open_group(tmp_path / "a.zarr", mode="r").attrs["sources"] == ["walk"]


def test_where_nothing_can_be_read_it_is_said_why(videos: Path, tmp_path: Path) -> None:
    for path in videos.rglob("*.*"):
        path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"nothing could be read: .*clip0.avi cannot be read .*; and 32 more"):
        made(videos, tmp_path / "a.zarr", on_damage="skip")


def test_work_that_a_kill_left_behind_a_complete_store_goes(videos: Path, tmp_path: Path) -> None:
    made(videos, tmp_path / "a.zarr")
    (tmp_path / "a.zarr.work" / "000000").mkdir(parents=True)
    made(videos, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr.work").exists()


def test_a_group_of_others_is_never_deleted(videos: Path, tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "theirs.zarr", mode="w", attributes={"owner": "somebody"})
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is no store"):
            made(videos, tmp_path / "theirs.zarr", overwrite=overwrite)
    assert (tmp_path / "theirs.zarr" / "zarr.json").exists()


def test_another_recipe_other_files_and_other_things_are_refused(videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.zarr"
    made(videos, out)
    before = array_objects(out)
    with pytest.raises(InputError, match=r"was prepared by the recipe [0-9a-f]{12}…, this command's is [0-9a-f]{12}"):
        made(videos, out, stride=5)
    video_of(videos / "clip3.avi", noise(24, seed=3))
    with pytest.raises(InputError, match="was prepared from other files; give another --out, or --overwrite"):
        made(videos, out)
    assert array_objects(out) == before
    assert made(videos, out, overwrite=True).sources == 5
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(InputError, match="is no store"):
            made(videos, tmp_path / "mine", overwrite=overwrite)
    assert (tmp_path / "mine" / "letter.txt").exists()


def test_two_processes_do_not_prepare_one_store(videos: Path, tmp_path: Path) -> None:
    def again(_progress: Progress) -> None:
        with pytest.raises(LockedStoreError, match="is being prepared by another process"):
            made(videos, tmp_path / "a.zarr")

    prepare(videos, recipe(), tmp_path / "a.zarr", workers=1, show=again)


def test_what_is_decoded_is_not_decoded_again(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(Exception):  # noqa: N818  # no error
        pass

    def stop(progress: Progress) -> None:
        if progress.done == 2:
            raise Stop

    with pytest.raises(Stop):
        prepare(videos, recipe(), tmp_path / "a.zarr", workers=1, show=stop)
    decoded = []
    monkeypatch.setattr(
        "trainer.sources.prepare.decode", lambda clip, *rest: decoded.append(clip.name) or decode(clip, *rest)
    )
    made(videos, tmp_path / "a.zarr")
    assert decoded == ["clip2.avi", "images"]
    made(videos, tmp_path / "b.zarr")
    assert array_objects(tmp_path / "a.zarr") == array_objects(tmp_path / "b.zarr")


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    for number in range(8):
        video_of(tmp_path / "v" / f"{number}.avi", noise(400, 120, 160, seed=number))
    arguments = ("prepare", "video", tmp_path / "v", "--out", tmp_path / "a.zarr", "--size", "96", "--workers", "1")
    process = start(*arguments)
    wait_for((tmp_path / "a.zarr.work" / "000001").exists, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "a.zarr").exists()
    again = start(*arguments)
    again.communicate(timeout=120)
    assert again.returncode == 0
    prepare(tmp_path / "v", Recipe.parse({"kind": "video", "height": 96, "width": 96}), tmp_path / "b.zarr", workers=1)
    assert array_objects(tmp_path / "a.zarr") == array_objects(tmp_path / "b.zarr")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_so_in_one_line(tmp_path: Path, number: signal.Signals) -> None:
    for clip in range(6):
        video_of(tmp_path / "v" / f"{clip}.avi", noise(400, 120, 160, seed=clip))
    process: subprocess.Popen[str] = start("prepare", "video", tmp_path / "v", "--out", tmp_path / "a.zarr")
    wait_for(lambda: any((tmp_path / "a.zarr.work").glob("*.partial")), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {130, 143}
    assert "Traceback" not in err
