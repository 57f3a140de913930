"""Charts as numbers: scores and attribution by lead time, losses by step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

POINTS = 200
"""Of a curve at most; of more, neighbours are averaged."""
SEVERAL_SIZES = 10
"""Ratio of the largest to the least value from which on an axis is logarithmic."""


class Line(NamedTuple):
    """A curve of a chart."""

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    """None where there is no number: the line has a gap."""
    band: Sequence[Sequence[float] | None] = ()
    """(low, high) around each point; empty for none."""


class Chart(NamedTuple):
    """One of several charts side by side."""

    title: str
    x_label: str
    lines: Sequence[Line]
    lowest: float | None = None
    """Where the axis begins; None for a little below what is drawn."""
    highest: float | None = None

    @property
    def logarithmic(self) -> bool:
        """Whether values of several sizes would be one line at the bottom."""
        values = [value for line in self.lines for value in line.y if value is not None]
        return self.lowest is None and min(values, default=0) > 0 and max(values) / min(values) > SEVERAL_SIZES


def score_chart(title: str, scores: Mapping[str, Mapping[str, Any]], lowest: float | None = None) -> Chart:
    """
    Return one metric by lead time, a line with its interval for every model.

    Parameters
    ----------
    title : of the chart
    scores : of that metric by the model's name: per_lead_time and per_lead_time_interval, as `Scores.summary` has them
    lowest : where the axis begins; None for a little below what is drawn
    """
    lines = [
        Line(name, _numbered(entry["per_lead_time"]), entry["per_lead_time"], entry["per_lead_time_interval"])
        for name, entry in scores.items()
    ]
    return Chart(title, "lead time, frames", lines, lowest=lowest)


def attribution_chart(attribution: Mapping[str, Mapping[str, Any]], experts: int) -> Chart:
    """
    Return the share of pixels given to the right expert by lead time, a line for every property, and what chance gives.

    Parameters
    ----------
    attribution : by property, as `Attribution.summary` has it
    experts : how many there are
    """
    lines = [
        Line(name, _numbered(entry["per_lead_time"]), entry["per_lead_time"]) for name, entry in attribution.items()
    ]
    longest = max((len(line.x) for line in lines), default=0)
    chance = Line("chance", range(1, longest + 1), [1 / experts] * longest)
    return Chart("pixels given to the right expert", "lead time, frames", [*lines, chance], lowest=0, highest=1)


def loss_charts(log: Iterable[Mapping[str, Any]], phases: Sequence[str]) -> list[Chart]:
    """
    Return two charts for every phase, training loss and validation error by step; none of what was not logged.

    Parameters
    ----------
    log : records in the order written, as `read_log` returns them; of a step that was made twice the last one counts
    phases : names, in the order of the charts
    """
    records = list(log)
    named = {"loss": "loss", "validation": "validation"}
    return [
        Chart(f"{phase}, {title}", "step", [_thinned(title, points)])
        for phase in phases
        for value, title in named.items()
        if (points := _points(records, phase, value))
    ]


def _points(records: Iterable[Mapping[str, Any]], phase: str, value: str) -> list[tuple[int, float]]:
    found = {
        record["step"]: record[value]
        for record in records
        if record.get("phase") == phase and record.get(value) is not None
    }
    return sorted(found.items())


def _thinned(name: str, points: Sequence[tuple[int, float]]) -> Line:
    size = -(-len(points) // POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    means = [tuple(sum(values) / len(group) for values in zip(*group, strict=True)) for group in groups]
    steps, values = zip(*means, strict=True)
    return Line(name, steps, values)


def _numbered(values: Sequence[Any]) -> range:
    return range(1, len(values) + 1)
