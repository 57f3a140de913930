"""An evaluation as a table for a terminal."""

from collections.abc import Sequence
from typing import Any

from schemas.rain import UNIT

SHOWN = ("mse_sum", "mse_mean", "mae", "psnr", "ssim", "csi_128")
"""Scores in the table; the file has all."""
SHOWN_OF_RAIN = ("mse_mean", "b_mse", "csi_0.5", "csi_2", "csi_5", "csi_10", "csi_30", "pod_2", "far_2")


def as_table(evaluation: dict[str, Any], shown: Sequence[str] | None = None) -> str:
    """Return the most used scores as a table for a terminal: overall with their intervals, then per lead time."""
    shown = shown or (SHOWN_OF_RAIN if evaluation["unit"] == UNIT else SHOWN)
    lead_times = "".join(f"{f't+{lead + 1}':>10}" for lead in range(evaluation["horizon"]))
    lines = [
        "{run} ({phase}) on {sequences} sequences of the {split} split of {store}".format_map(evaluation),
        "",
        f"{'':26}{'all':>10}{'95 % interval':>20}{lead_times}",
    ]
    scores = evaluation["scores"]
    lines += [_row(f"{name}  {model}", scores[model][name]) for name in shown for model in scores]
    lines += ["", *(f"{name}: {evaluation['metrics'][name]['definition']}" for name in shown)]
    if evaluation["attribution"]:
        lines += ["", "gates: share of the pixels of one property whose largest weight is its expert's"]
        lines += [_attribution_row(name, entry) for name, entry in evaluation["attribution"].items()]
    if evaluation["motion"]:
        lines += ["", "motion at the newest input frame, error of the estimate for each object (root mean square)"]
        lines += [_motion_row(name, entry) for name, entry in evaluation["motion"].items()]
    return "\n".join(lines)


def _row(name: str, entry: dict[str, Any]) -> str:
    low, high = entry["interval"] or (None, None)
    per_lead_time = "".join(f"{_number(value):>10}" for value in entry["per_lead_time"])
    return f"{name:26}{_number(entry['mean']):>10}{f'{_number(low)} - {_number(high)}':>20}{per_lead_time}"


def _attribution_row(name: str, entry: dict[str, Any]) -> str:
    per_lead_time = "".join(f"{_percent(value):>10}" for value in entry["per_lead_time"])
    return f"{name:26}{_percent(entry['share']):>10}{'':20}{per_lead_time}"


def _motion_row(name: str, entry: dict[str, Any]) -> str:
    numbers = f"{_number(entry['error'])} {entry['units']}, where {_number(entry['usual'])} is usual"
    return f"{name}: {entry['quantity']} to {numbers}; {entry['objects']:,} objects"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
