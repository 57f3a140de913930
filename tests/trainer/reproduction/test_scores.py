"""Scores come from the evaluations of jobs that are done; what is missing says why."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.reproduction.found import row_of
from trainer.reproduction.engine import Outcome
from trainer.reproduction.plan import PERSISTENCE, Plan, Row
from trainer.reproduction.records import Record, write_record
from trainer.reproduction.scores import Share, scores_of

ROW = row_of("a", (1, 2))
PLAN = Plan(jobs=(), rows=(Row(name=PERSISTENCE, title="", trials={}, parameters=0, published=None), ROW))
DONE = {trial.job: Outcome("done") for trial in ROW.trials.values()}


def entry(mean: float | None, *per_lead_time: float | None) -> dict[str, Any]:
    return {"mean": mean, "interval": None, "per_lead_time": list(per_lead_time), "per_lead_time_interval": []}


def evaluation(error: float | None, *, attributes: bool = True) -> dict[str, Any]:
    """Return what `trainer evaluate` writes, as far as it is read."""
    return {
        "parameters": 77,
        "scores": {
            "model": {"mse_sum": entry(error, error, 3.0), "mse_mean": entry(500.0), "ssim": entry(0.8)},
            "persistence": {"mse_sum": entry(30.0, 10.0, 50.0), "mse_mean": entry(1900.0), "ssim": entry(0.5)},
        },
        "attribution": {
            "rotation": {"pixels": 9, "share": 0.6, "per_lead_time": [0.7, 0.5]},
            "intensity": {"pixels": 0, "share": None, "per_lead_time": [None, None]},
        }
        if attributes
        else None,
    }


def write(folder: Path, *evaluations: dict[str, Any]) -> None:
    for content, trial in zip(evaluations, ROW.trials.values(), strict=True):
        path = folder / trial.evaluation
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        for job in trial.training:
            write_record(folder, job, Record(command="", digest="", return_code=0, cpu_seconds=12.5))


def test_scores_are_those_of_the_evaluation_and_seconds_those_of_training(tmp_path: Path) -> None:
    write(tmp_path, evaluation(4.0), evaluation(5.0, attributes=False))
    found = scores_of(PLAN, DONE, tmp_path)
    assert list(found) == [PERSISTENCE, "a"]
    first, second = (found["a"].seeds[seed] for seed in (1, 2))
    assert (first.mse_sum, first.mse_mean, first.ssim, first.mse_first, first.mse_last) == (4.0, 500.0, 0.8, 4.0, 3.0)
    assert (first.parameters, first.cpu_seconds) == (77, 12.5)
    assert first.attribution == {"rotation": Share(first=0.7, overall=0.6)}
    assert (second.mse_sum, second.attribution) == (5.0, {})
    persistence = found[PERSISTENCE].seeds[0]
    assert (persistence.mse_sum, persistence.mse_last, persistence.attribution) == (30.0, 50.0, {})


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome("failed", "no space"), "evaluate/a/1: no space"),
        (Outcome("not run", "train/a/1: no sun"), "train/a/1: no sun"),
    ],
)
def test_a_job_that_is_not_done_leaves_the_reason_and_the_others(tmp_path: Path, outcome: Outcome, reason: str) -> None:
    write(tmp_path, evaluation(4.0), evaluation(5.0))  # the first is of an earlier plan
    found = scores_of(PLAN, DONE | {"evaluate/a/1": outcome}, tmp_path)
    assert found["a"].missing == {1: reason}
    assert list(found["a"].seeds) == [2]
    assert found[PERSISTENCE].seeds[0].mse_sum == 30.0


def test_what_diverged_is_missing(tmp_path: Path) -> None:
    write(tmp_path, evaluation(None), evaluation(5.0))
    assert scores_of(PLAN, DONE, tmp_path)["a"].missing == {1: "its forecasts are no finite numbers"}


def test_without_any_evaluation_nothing_is_found(tmp_path: Path) -> None:
    found = scores_of(PLAN, dict.fromkeys(DONE, Outcome("failed", "x")), tmp_path)
    assert [row.seeds for row in found.values()] == [{}, {}]
