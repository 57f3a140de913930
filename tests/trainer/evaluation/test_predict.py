"""Forecasts of stores, videos, folders and arrays by the network of a run."""

from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from PIL import Image

from schemas.errors import InputError
from tests.trainer.data.real_stores import write_real_store
from tests.trainer.evaluation.small_networks import EXPERTS, write_untrained_run
from trainer.evaluation.forecasting import forecast
from trainer.evaluation.predict import predict
from trainer.training.folder import load_forecaster

FRAMES = np.random.default_rng(4).integers(0, 256, (3, 7, 12, 16), np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "stmoe-id"
    write_untrained_run(path)
    return path


def expected(run: Path, sequences: slice, steps: int) -> np.ndarray:
    network, _ = load_forecaster(run, torch.device("cpu"))
    return forecast(network, FRAMES[sequences, -4:] / np.float32(255), steps, torch.device("cpu")).frames


def test_store_array_and_folder_of_the_same_frames_give_the_same_forecast(run: Path, tmp_path: Path) -> None:
    store = write_real_store(tmp_path / "clips.zarr", {"frames": FRAMES})
    np.save(tmp_path / "clips.npy", FRAMES)
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(FRAMES[1]):
        Image.fromarray(frame).save(tmp_path / "clip" / f"{number}.png")
    predict(run, str(store), tmp_path / "a.npy")
    predict(run, str(tmp_path / "clips.npy"), tmp_path / "b.npy")
    predict(run, str(tmp_path / "clip"), tmp_path / "c.npy")
    a, b, c = (np.load(tmp_path / name) for name in ("a.npy", "b.npy", "c.npy"))
    assert np.array_equal(a, expected(run, slice(None), 3))
    assert np.array_equal(a, b)
    assert np.allclose(a[1], c[0], atol=1e-6)


def test_steps_may_be_more_than_trained(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "clips.npy", FRAMES)
    (out,) = predict(run, str(tmp_path / "clips.npy"), tmp_path / "x.zarr", steps=11, start=1, count=1)
    group = zarr.open_group(out, mode="r")
    assert np.allclose(group["frames"], expected(run, slice(1, 2), 11), atol=1e-6)
    assert np.allclose(np.asarray(group["weights"]).sum(2), 1, atol=1e-5)
    assert group.attrs["experts"] == list(EXPERTS)
    assert (group.attrs["model_run"], group.attrs["phase"]) == (str(run), "joint")


def test_gates_stay_with_their_experts_however_a_file_lists_them(tmp_path: Path) -> None:
    stores = {name: f"{name}.zarr" for name in ("shear", "rotation", "intensity", "translation")}
    write_untrained_run(tmp_path / "a", data={"synthetic": stores})
    write_untrained_run(tmp_path / "b", data={"synthetic": dict(reversed(stores.items()))})
    (one, _), (other, _) = (load_forecaster(tmp_path / name, torch.device("cpu")) for name in ("a", "b"))
    assert list(one.experts) == list(other.experts) == [*EXPERTS, "shear"]


def test_files_may_be_resized_and_stores_not(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "clips.npy", FRAMES)
    predict(run, str(tmp_path / "clips.npy"), tmp_path / "x.npy", size=(6, 8))
    assert np.load(tmp_path / "x.npy").shape == (3, 3, 6, 8)
    store = write_real_store(tmp_path / "clips.zarr", {"frames": FRAMES})
    with pytest.raises(InputError, match="is a store, whose frames are not resized"):
        predict(run, str(store), tmp_path / "y.npy", size=(6, 8))


def test_sides_that_fit_no_patch_are_refused_with_some_that_do(run: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "clips.npy", FRAMES[:, :, :11, :15])
    with pytest.raises(
        InputError, match=r"frames of 11x15 px, the network takes multiples of 2; resize.* --size 10x14, or crop"
    ):
        predict(run, str(tmp_path / "clips.npy"), tmp_path / "x.npy")


def test_too_few_frames_are_refused(run: Path, tmp_path: Path) -> None:
    store = write_real_store(tmp_path / "clips.zarr", {"frames": FRAMES[:, :3]})
    with pytest.raises(InputError, match="has 3 frames, a forecast starts from 4"):
        predict(run, str(store), tmp_path / "x.npy")


def test_stored_nan_is_refused(run: Path, tmp_path: Path) -> None:
    frames = (FRAMES / 255).astype(np.float32)
    frames[1, -1, 3, 3] = np.nan
    store = write_real_store(tmp_path / "clips.zarr", {"frames": frames})
    with pytest.raises(InputError, match="one of the sequences 0-2 holds NaN or infinity"):
        predict(run, str(store), tmp_path / "x.npy")
    assert not (tmp_path / "x.npy").exists()


def test_what_is_there_is_found_before_the_network_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "x.gif").write_text("mine")
    with pytest.raises(InputError, match=r"x\.gif exists"):
        predict(tmp_path / "no-run", "no-source", tmp_path / "x.gif")
    with pytest.raises(InputError, match="no-run"):
        predict(tmp_path / "no-run", "no-source", tmp_path / "y.gif")


def test_missing_store_is_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.zarr does not exist"):
        predict(run, str(tmp_path / "nothing.zarr"), tmp_path / "x.gif")
