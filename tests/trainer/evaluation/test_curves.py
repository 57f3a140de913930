"""Charts hold the numbers of evaluations and logs."""

import pytest

from trainer.evaluation.curves import POINTS, attribution_chart, loss_charts, score_chart

ENTRY = {"per_lead_time": [1.0, None, 3.0], "per_lead_time_interval": [[0.5, 1.5], None, [2.0, 4.0]]}


def test_scores_are_drawn_by_lead_time_with_their_intervals() -> None:
    chart = score_chart("error", {"forecast": ENTRY, "persistence": ENTRY}, lowest=0)
    assert [line.name for line in chart.lines] == ["forecast", "persistence"]
    assert list(chart.lines[0].x) == [1, 2, 3]
    assert chart.lines[0].y == [1.0, None, 3.0]
    assert chart.lines[0].band == [[0.5, 1.5], None, [2.0, 4.0]]


def test_attribution_stands_beside_chance() -> None:
    chart = attribution_chart({"rotation": {"per_lead_time": [0.5, 0.6]}}, 4)
    assert [(line.name, list(line.y)) for line in chart.lines] == [("rotation", [0.5, 0.6]), ("chance", [0.25, 0.25])]
    assert (chart.lowest, chart.highest) == (0, 1)


def test_every_phase_has_its_loss_and_its_validation_in_order() -> None:
    log = [
        {"phase": "joint", "step": 1, "loss": 3.0},
        {"phase": "gates", "step": 1, "loss": 1.0, "gradient_norm": 9.0},
        {"phase": "gates", "step": 2, "validation": 5.0},
        {"phase": "gates", "step": 2, "loss": None},
    ]
    charts = loss_charts(log, ("decoder", "gates", "joint"))
    assert [chart.title for chart in charts] == ["gates, loss", "gates, validation", "joint, loss"]
    assert [(list(chart.lines[0].x), list(chart.lines[0].y)) for chart in charts] == [
        ([1], [1.0]),
        ([2], [5.0]),
        ([1], [3.0]),
    ]


def test_step_made_again_after_an_interruption_counts_once() -> None:
    log = [
        {"phase": "joint", "step": step, "loss": loss} for step, loss in ((10, 4.0), (20, 3.0), (20, 2.0), (30, 1.0))
    ]
    (chart,) = loss_charts(log, ("joint",))
    assert list(zip(chart.lines[0].x, chart.lines[0].y, strict=True)) == [(10, 4.0), (20, 2.0), (30, 1.0)]


@pytest.mark.parametrize("count", [1, POINTS, POINTS + 1, 12_345])
def test_long_curve_is_averaged_to_few_points(count: int) -> None:
    log = [{"phase": "joint", "step": step, "loss": float(step)} for step in range(count)]
    (line,) = loss_charts(log, ("joint",))[0].lines
    assert len(line.x) == len(line.y) <= POINTS
    assert line.x == line.y  # a straight line stays one
    assert line.x[0] <= count / POINTS
    assert line.x[-1] >= count - 1 - count / POINTS


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [([1.0, 5.0], False), ([0.1, None, 5.0], True), ([0.0, 5.0], False), ([-1.0, 5.0], False), ([], False)],
)
def test_axis_is_logarithmic_for_values_of_several_sizes(values: list[float | None], logarithmic: bool) -> None:
    entry = {"per_lead_time": values, "per_lead_time_interval": [None] * len(values)}
    assert score_chart("error", {"forecast": entry}).logarithmic == logarithmic
    assert not score_chart("error", {"forecast": entry}, lowest=0).logarithmic
