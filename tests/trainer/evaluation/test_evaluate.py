"""Scores are those of the forecasts of a run, or of the mean forecast of several; the table says what the file does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datagen import render_store
from schemas.errors import InputError
from tests.reference.specs import spec_of
from tests.trainer.evaluation.small_networks import write_untrained_run
from trainer.evaluation.evaluate import evaluate_run
from trainer.evaluation.score_table import as_table
from trainer.models.stmoe import STMoE
from trainer.training.folder import load_forecaster

TESTED, INPUTS, HORIZON = 5, 4, 3


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "mixed.zarr"
    truth = ("mask", "property_mask")
    splits = {"train": 2, "validation": 2, "test": TESTED}
    spec = spec_of("mixed", frames=INPUTS + HORIZON, height=16, width=16, truth=truth, splits=splits)
    render_store(spec, 4 + TESTED, path)
    return path


def forecasts(run: Path, frames: torch.Tensor) -> torch.Tensor:
    network: STMoE = load_forecaster(run, torch.device("cpu"))[0]
    with torch.inference_mode():
        return network(frames[:, :INPUTS], HORIZON).frames


def test_the_mean_forecast_of_several_runs_is_scored(store: Path, tmp_path: Path) -> None:
    import zarr

    for seed in (0, 1):
        write_untrained_run(tmp_path / str(seed), data={"real": str(store)}, seed=seed)
    runs = [tmp_path / "0", tmp_path / "1"]
    together = evaluate_run(*runs)
    frames = torch.from_numpy(zarr.open_group(store, mode="r")["frames"][4:] / np.float32(255))[:, :, None]
    mean = torch.stack([forecasts(run, frames) for run in runs]).mean(0).clamp(0, 1)
    error = (mean - frames[:, INPUTS:]).square().sum((2, 3, 4))
    assert together["scores"]["model"]["mse_sum"]["mean"] == pytest.approx(float(error.mean()), rel=1e-5)
    assert together["run"] == f"{runs[0]}, {runs[1]}"
    alone = [evaluate_run(run) for run in runs]
    assert together["parameters"] == sum(evaluation["parameters"] for evaluation in alone)
    assert together["scores"]["persistence"] == alone[0]["scores"]["persistence"]
    assert together["attribution"] is None
    assert alone[0]["attribution"] is not None


def test_runs_that_forecast_otherwise_are_refused(store: Path, tmp_path: Path) -> None:
    write_untrained_run(tmp_path / "a", data={"real": str(store)})
    write_untrained_run(tmp_path / "b", data={"real": str(store), "horizon": 2})
    with pytest.raises(InputError, match=r"b forecasts 2 frames from 4, .*a 3 from 4; give runs that do the same"):
        evaluate_run(tmp_path / "a", tmp_path / "b")


def test_what_a_kinematic_expert_estimates_is_compared_with_the_table(store: Path, tmp_path: Path) -> None:
    write_untrained_run(tmp_path / "run", data={"real": str(store)}, model={"kind": "stmoe-kinematic"})
    evaluation = evaluate_run(tmp_path / "run")
    assert evaluation["motion"].keys() == {"translation", "rotation"}
    for entry in evaluation["motion"].values():
        assert entry["objects"] > 0
        assert entry["error"] == pytest.approx(entry["usual"], rel=0.1)  # untrained: nothing moves
    assert "translation: velocity to " in as_table(evaluation)


def test_other_networks_say_nothing_of_motion(store: Path, tmp_path: Path) -> None:
    write_untrained_run(tmp_path / "run", data={"real": str(store)})
    assert evaluate_run(tmp_path / "run")["motion"] is None
