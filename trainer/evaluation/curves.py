"""Charts as numbers: scores and attribution by lead time, losses by step."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

POINTS = 200
"""Of a curve at most; of more, neighbours are averaged."""


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
    logarithmic: bool = False
    from_zero: bool = False


def score_chart(title: str, scores: Mapping[str, Mapping[str, Any]], *, from_zero: bool) -> Chart:
    """
    Return one metric by lead time, a line with its interval for every model.

    Parameters
    ----------
    title : of the chart
    scores : of that metric by the model's name: per_lead_time and per_lead_time_interval, as `Scores.summary` has them
    from_zero : whether the axis begins at 0
    """
    lines = [
        Line(name, _numbered(entry["per_lead_time"]), entry["per_lead_time"], entry["per_lead_time_interval"])
        for name, entry in scores.items()
    ]
    return Chart(title, "lead time, frames", lines, from_zero=from_zero)


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
    return Chart("pixels given to the right expert", "lead time, frames", [*lines, chance], from_zero=True)


def loss_charts(log: Iterable[Mapping[str, Any]], phases: Sequence[str], pixels: int) -> list[Chart]:
    """
    Return a chart for every phase that has logged something: errors in training and validation, by step.

    Parameters
    ----------
    log : records in the order written, as `read_log` returns them; of a step that was made twice the last one counts
    phases : names, in the order of the charts
    pixels : of a frame: validation errors are sums over one, and are shown as means
    """
    records = list(log)
    return [chart for phase in phases if (chart := _loss_chart(phase, records, pixels)).lines]


def _loss_chart(phase: str, records: Sequence[Mapping[str, Any]], pixels: int) -> Chart:
    training = {record["step"]: record["reconstruction"] for record in _of(records, phase, "reconstruction")}
    validation = {record["step"]: record["validation"] / pixels for record in _of(records, phase, "validation")}
    named = {"training": training, "validation, squared error": validation}
    lines = [_thinned(name, sorted(values.items())) for name, values in named.items() if values]
    return Chart(phase, "step", lines, logarithmic=True)


def _of(records: Sequence[Mapping[str, Any]], phase: str, value: str) -> Iterable[Mapping[str, Any]]:
    return (record for record in records if record.get("phase") == phase and record.get(value) is not None)


def _thinned(name: str, points: Sequence[tuple[int, float]]) -> Line:
    size = -(-len(points) // POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    means = [tuple(sum(values) / len(group) for values in zip(*group, strict=True)) for group in groups]
    steps, values = zip(*means, strict=True)
    return Line(name, steps, values)


def _numbered(values: Sequence[Any]) -> range:
    return range(1, len(values) + 1)
