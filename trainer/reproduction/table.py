"""What was found as one JSON object, from which Markdown and pictures are made."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from trainer.machine import cores
from trainer.reproduction.scores import RowScores, Scores
from trainer.reproduction.verdicts import Comparison, Judgement, spread

SUMMED: Final[dict[str, Callable[[Scores], float]]] = {
    "mse_sum": lambda scores: scores.mse_sum,
    "mse_mean": lambda scores: scores.mse_mean,
    "ssim": lambda scores: scores.ssim,
    "mse_first": lambda scores: scores.mse_first,
    "mse_last": lambda scores: scores.mse_last,
    "cpu_seconds": lambda scores: scores.cpu_seconds,
}
"""Numbers that have a mean over seeds."""


def table_of(
    scores: Mapping[str, RowScores],
    judgements: Sequence[Judgement],
    identity: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """
    Return the table, ready for JSON.

    Parameters
    ----------
    scores : by row
    judgements : of the claims
    identity : what the plan was made for
    provenance : commands, versions and machine, as `trainer.training.provenance.read_provenance` returns them

    Returns
    -------
    rows with the scores of every seed, their mean, least and largest; claims with verdicts; how it was made
    """
    return {
        **identity,
        "rows": [_row(row_scores) for row_scores in scores.values()],
        "claims": [_claim(judgement) for judgement in judgements],
        "commands": [_shortened(entry["command"]) for entry in provenance.get("commands", [])],
        "versions": provenance.get("versions", {}),
        "machine": {"platform": provenance.get("machine"), "processor": _processor(), "cores": cores()},
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _row(found: RowScores) -> dict[str, Any]:
    row = found.row
    known = {name: [read(scores) for scores in found.seeds.values()] for name, read in SUMMED.items()}
    parameters = {scores.parameters for scores in found.seeds.values()} or {row.parameters}
    return {
        "name": row.name,
        "title": row.title,
        "note": row.note,
        "parameters": max(parameters),
        "seeds": {str(seed): _seed(scores) for seed, scores in found.seeds.items()},
        "summary": {name: spread(values)._asdict() for name, values in known.items() if values},
        "paper": row.published._asdict() if row.published else None,
        "missing": {str(seed): reason for seed, reason in found.missing.items()},
    }


def _seed(scores: Scores) -> dict[str, Any]:
    attribution = {name: share._asdict() for name, share in scores.attribution.items()}
    return {**asdict(scores), "per_lead_time": list(scores.per_lead_time), "attribution": attribution}


def _claim(judgement: Judgement) -> dict[str, Any]:
    claim = judgement.claim
    kind = "comparison" if isinstance(claim, Comparison) else "attribution"
    return {
        "kind": kind,
        **asdict(claim),
        "measured": {name: value._asdict() for name, value in judgement.measured.items()},
        "verdict": judgement.verdict,
        "reason": judgement.reason,
    }


def _shortened(command: str) -> str:
    """Return a command with its program by name, wherever that lies."""
    program, *arguments = shlex.split(command)
    name = "trainer" if Path(program).name == "__main__.py" else Path(program).name
    return shlex.join([name, *arguments])


def _processor() -> str | None:
    """Return the name of the processor, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
