"""What kinematic experts estimate, kept beside a forecast: enough to make their own forecasts again."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from tests.trainer.evaluation.small_networks import EXPERTS, write_untrained_run
from trainer.evaluation import forecast_files
from trainer.evaluation.forecasting import forecast
from trainer.evaluation.predict import predict
from trainer.models.kinematic import Intensity, Motion, Rotation, Translation, moved
from trainer.training.checkpoint import BEST, load, save
from trainer.training.folder import load_forecaster

FRAMES = np.random.default_rng(6).random((3, 4, 12, 16), np.float32)
CPU = torch.device("cpu")


def moving(run: Path) -> Path:
    """Write a run whose experts estimate motion that differs from pixel to pixel and from sequence to sequence."""
    write_untrained_run(run, model={"kind": "stmoe-kinematic", "kinematic": {"channels": (2, 2, 2, 2)}})
    path = run / "checkpoints" / "joint" / BEST
    checkpoint = load(path, CPU)
    generator = torch.Generator().manual_seed(1)
    for name, values in checkpoint.network.items():
        if "estimator" in name and values.is_floating_point():
            values.add_(torch.randn(values.shape, generator=generator), alpha=0.3)
    save(path, checkpoint)
    return run


def estimate_of(maps: xr.Dataset, kind: type[Translation | Rotation | Intensity], name: str) -> Motion:
    """Read an estimate back; a map of one number has its axis again."""
    fields = [torch.from_numpy(maps[f"{name}_{field}"].to_numpy()) for field in kind._fields]
    return kind(*(values if values.ndim == 4 else values[:, None] for values in fields))


def test_each_experts_forecast_follows_from_the_maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast_files, "BLOCK_PIXELS", 2 * 12 * 16)  # blocks of two sequences, and one of one
    run = moving(tmp_path / "run")
    np.save(tmp_path / "clips.npy", FRAMES)
    (out,) = predict(run, str(tmp_path / "clips.npy"), tmp_path / "x.zarr")
    network, _ = load_forecaster(run, CPU)
    parts = np.concatenate([forecast(network, FRAMES[block], 3, CPU).parts for block in (slice(0, 2), slice(2, 3))])
    newest = torch.from_numpy(FRAMES[:, -1:])
    with xr.open_zarr(out, consolidated=False) as maps:
        for place, (name, kind) in enumerate(zip(EXPERTS, (Translation, Rotation, Intensity), strict=True)):
            motion = estimate_of(maps, kind, name)
            assert all(float(values.std()) > 0 for values in motion)
            for lead in range(3):
                made = moved(newest, motion, lead + 1)[:, 0].numpy()
                np.testing.assert_allclose(made, parts[:, lead, place], atol=1e-5, err_msg=f"{name}, {lead}")


def test_maps_say_what_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "clips.npy", FRAMES)
    (out,) = predict(moving(tmp_path / "run"), str(tmp_path / "clips.npy"), tmp_path / "x.zarr", start=1)
    with xr.open_zarr(out, consolidated=False) as maps:
        assert maps["translation_velocity"].dims == ("sequence", "component", "y", "x")
        assert maps["translation_velocity"].attrs["units"] == "px/frame"
        assert maps["rotation_velocity"].dims == ("sequence", "y", "x")
        assert maps["rotation_velocity"].attrs["units"] == "rad/frame"
        assert maps.sizes["sequence"] == 2


def test_experts_that_are_not_kinematic_have_no_maps(tmp_path: Path) -> None:
    write_untrained_run(tmp_path / "run")
    np.save(tmp_path / "clips.npy", FRAMES)
    (out,) = predict(tmp_path / "run", str(tmp_path / "clips.npy"), tmp_path / "x.zarr")
    with xr.open_zarr(out, consolidated=False) as group:
        assert set(group) == {"frames", "weights"}
