"""What the jobs of a plan found: the scores of every row and seed, and why some are missing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from trainer.reproduction.engine import Outcome
from trainer.reproduction.plan import PERSISTENCE, Plan, Row, Trial
from trainer.reproduction.records import read_record


class Share(NamedTuple):
    """Share of one property's pixels whose largest weight is the right expert's, in [0, 1]."""

    first: float
    """At t+1."""
    overall: float
    """Over all lead times."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Of one seed of a row, or of persistence."""

    mse_sum: float
    """Squared error, full scale 1, summed over a frame, mean over frames."""
    mse_mean: float
    """Squared error, full scale 255, mean over pixels and frames."""
    ssim: float
    per_lead_time: tuple[float, ...]
    """`mse_sum` of every lead time."""
    parameters: int
    cpu_seconds: float
    """Of its training."""
    attribution: Mapping[str, Share]
    """By property; empty for a model without gates, and where the store does not know the properties."""

    @property
    def mse_first(self) -> float:
        """`mse_sum` at t+1."""
        return self.per_lead_time[0]

    @property
    def mse_last(self) -> float:
        """`mse_sum` at t+n."""
        return self.per_lead_time[-1]


@dataclass(frozen=True, kw_only=True)
class RowScores:
    """Of one row."""

    row: Row
    seeds: Mapping[int, Scores]
    """Persistence has the one seed 0."""
    missing: Mapping[int, str]
    """Why, by seed."""


def scores_of(plan: Plan, outcomes: Mapping[str, Outcome], folder: Path) -> dict[str, RowScores]:
    """
    Read the scores of all rows.

    Parameters
    ----------
    outcomes : of the plan's jobs, by name
    folder : of results

    Returns
    -------
    by row, in the plan's order
    """
    evaluations = {
        trial.job: json.loads((folder / trial.evaluation).read_text(encoding="utf-8"))
        for row in plan.rows
        for trial in row.trials.values()
        if outcomes[trial.job].state == "done"
    }
    found = {row.name: _row_scores(row, evaluations, outcomes, folder) for row in plan.rows}
    if PERSISTENCE in found and evaluations:
        persistence = _scores(next(iter(evaluations.values())), PERSISTENCE, 0, 0.0)
        found[PERSISTENCE] = replace(found[PERSISTENCE], seeds={} if persistence is None else {0: persistence})
    return found


def _row_scores(row: Row, evaluations: Mapping[str, Any], outcomes: Mapping[str, Outcome], folder: Path) -> RowScores:
    seeds: dict[int, Scores] = {}
    missing: dict[int, str] = {}
    for seed, trial in row.trials.items():
        if trial.job not in evaluations:
            missing[seed] = _why(trial, outcomes)
            continue
        evaluation = evaluations[trial.job]
        scores = _scores(evaluation, "model", evaluation["parameters"], _cpu_seconds(trial, folder))
        if scores is None:
            missing[seed] = "its forecasts are no finite numbers"
        else:
            seeds[seed] = scores
    return RowScores(row=row, seeds=seeds, missing=missing)


def _why(trial: Trial, outcomes: Mapping[str, Outcome]) -> str:
    state, reason = outcomes[trial.job]
    return reason if state == "not run" else f"{trial.job}: {reason}"


def _cpu_seconds(trial: Trial, folder: Path) -> float:
    records = [read_record(folder, job) for job in trial.training]
    return sum(record.cpu_seconds for record in records if record is not None)


def _scores(evaluation: Mapping[str, Any], model: str, parameters: int, cpu_seconds: float) -> Scores | None:
    """Return the scores of the run or of persistence as `evaluate_run` returns them; None where one is no number."""
    entries = evaluation["scores"][model]
    means = {name: entries[name]["mean"] for name in ("mse_sum", "mse_mean", "ssim")}
    per_lead_time = entries["mse_sum"]["per_lead_time"]
    if None in (*means.values(), *per_lead_time):
        return None
    attribution = (evaluation["attribution"] or {}) if model == "model" else {}
    return Scores(
        **means,
        per_lead_time=tuple(per_lead_time),
        parameters=parameters,
        cpu_seconds=cpu_seconds,
        attribution={
            name: Share(first=entry["per_lead_time"][0], overall=entry["share"])
            for name, entry in attribution.items()
            if entry["pixels"] and entry["per_lead_time"][0] is not None
        },
    )
