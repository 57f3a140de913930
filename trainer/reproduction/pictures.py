"""Pictures of a table: every seed as a dot beside the paper's numbers, errors by lead time, and forecasts that move."""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer.data.splits import select
from trainer.data.stores import FRAMES, open_store
from trainer.evaluation.figures import moving_picture
from trainer.evaluation.forecasting import forecast, stored_fractions
from trainer.evaluation.panels import Clock, Panel, frames_panel
from trainer.evaluation.report import spread
from trainer.reproduction.markdown import REFERENCE
from trainer.reproduction.plan import PERSISTENCE, Plan, Row
from trainer.reproduction.scores import RowScores
from trainer.training.folder import CHECKPOINTS, load_forecaster

EXAMPLES: Final = 2
"""Test sequences of the animation."""
COLUMNS: Final = 6
"""Of its panels."""
_CPU = torch.device("cpu")
_OURS, _PAPER, _GREY = "#0072b2", "#d55e00", "#666666"
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#806000", "#4b0092", "#5d8a00")
"""Told apart by any colour vision (after Okabe and Ito, 2008)."""
_DASHES = ("-", "--", ":", "-.")


def rows_picture(table: Mapping[str, Any]) -> bytes | None:
    """
    Draw error and SSIM of every row as PNG: a bar for the mean, a dot for every seed, a diamond for the paper.

    Errors are ratios to the MIM on real sequences alone, where there is one: so the paper's, on another scale, compare.

    Parameters
    ----------
    table : as `table_of` returns it

    Returns
    -------
    None where no row has scores
    """
    rows = [row for row in table["rows"] if row["summary"]]
    if not rows:
        return None
    reference = next((row for row in rows if row["name"] == REFERENCE), None)
    scale = reference["summary"]["mse_sum"]["mean"] if reference else 1.0
    with _style():
        figure = Figure(figsize=(10, 0.38 * len(rows) + 1.2), layout="constrained")
        errors, similarity = figure.subplots(1, 2, sharey=True)
        errors.barh(range(len(rows)), _means(rows, "mse_sum", scale), 0.55, color=_OURS, alpha=0.25, label="mean")
        _draw_seeds(errors, rows, "mse_sum", scale)
        # No bars: SSIM has no zero to start from that would leave differences to be seen.
        similarity.plot(_means(rows, "ssim", 1.0), range(len(rows)), "|", color=_OURS, markersize=14, alpha=0.6)
        _draw_seeds(similarity, rows, "ssim", 1.0)
        errors.set_xlabel("MSE, ratio to MIM on real sequences alone" if reference else "MSE, sum over a frame")
        similarity.set_xlabel("SSIM (line: mean)")
        if reference:
            _draw_published(errors, rows, reference["paper"]["mse"])
        errors.set_yticks(range(len(rows)), [row["title"] for row in rows])
        errors.invert_yaxis()
        figure.legend(*errors.get_legend_handles_labels(), loc="outside upper right", frameon=False, ncols=3)
        return _png(figure)


def lead_times_picture(table: Mapping[str, Any]) -> bytes | None:
    """
    Draw the error of every row by lead time as PNG: the mean over seeds, and a band from the least to the largest.

    Beside it stands the ratio to the MIM on real sequences alone, where there is one, without persistence.

    Parameters
    ----------
    table : as `table_of` returns it

    Returns
    -------
    None where no row has scores
    """
    errors = {
        row["name"]: np.array([scores["per_lead_time"] for scores in row["seeds"].values()])
        for row in table["rows"]
        if row["seeds"]
    }
    if not errors:
        return None
    titles = {row["name"]: row["title"] for row in table["rows"]}
    reference = errors.get(REFERENCE)
    with _style():
        figure = Figure(figsize=(11, 4), layout="constrained")
        absolute = figure.add_subplot(1, 1 if reference is None else 2, 1)
        _draw_lead_times(absolute, errors, titles)
        absolute.set_ylabel("MSE, sum over a frame")
        absolute.set_ylim(bottom=0)
        if reference is not None:
            axes = figure.add_subplot(1, 2, 2)
            ratios = {name: error / reference.mean(0) for name, error in errors.items() if name != PERSISTENCE}
            _draw_lead_times(axes, ratios, titles)
            axes.set_ylabel("ratio to MIM on real sequences alone")
        figure.legend(*absolute.get_legend_handles_labels(), loc="outside right upper", frameon=False)
        return _png(figure)


def forecasts_picture(plan: Plan, scores: Mapping[str, RowScores], store: str, folder: Path) -> bytes | None:
    """
    Draw the forecasts of some test sequences as GIF: the truth, and what every row with its first seed makes of it.

    The first seed is that whose networks are still there: checkpoints may be deleted once they are evaluated.

    Parameters
    ----------
    plan : whose rows are drawn
    scores : by row; those without any, or without a network, are left out
    store : path or URL of the test sequences, relative to `folder`
    folder : of results

    Returns
    -------
    None where no row has scores and a network

    Raises
    ------
    InputError
        a run or the store cannot be read.
    """
    runs = {row.name: _runs(row, scores[row.name], folder) for row in plan.rows if scores[row.name].seeds}
    rows = [row for row in plan.rows if runs.get(row.name) or (row.name in runs and not row.trials)]
    trained = [row for row in rows if row.trials]
    if not trained:
        return None
    sequences = open_store(store if "://" in store else folder / store)
    numbers = spread(select(sequences, "test"), EXAMPLES)
    frames = np.concatenate([stored_fractions(sequences[FRAMES].rows(number, number + 1)) for number in numbers])
    network, checkpoint = load_forecaster(folder / runs[trained[0].name][0], _CPU)
    inputs, horizon = network.input_frames, checkpoint.config.data.horizon
    given = frames[:, :inputs]
    made = {row.title: _forecasts([folder / run for run in runs[row.name]], given, horizon) for row in rows}
    truth = frames[:, inputs : inputs + horizon]
    panels: list[list[Panel]] = []
    for place in range(len(numbers)):
        shown = {"truth": truth, **made}
        titled = [frames_panel(given[place], part[place], title) for title, part in shown.items()]
        panels += [titled[start : start + COLUMNS] for start in range(0, len(titled), COLUMNS)]
    return moving_picture(panels, Clock(inputs=inputs, horizon=horizon), "gif")


def _style() -> AbstractContextManager[None]:
    return mpl.rc_context(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.axisbelow": True,
        }
    )


def _means(rows: Sequence[Any], metric: str, scale: float) -> list[float]:
    return [row["summary"][metric]["mean"] / scale for row in rows]


def _draw_seeds(axes: Axes, rows: Sequence[Any], metric: str, scale: float) -> None:
    dots = [(scores[metric] / scale, place) for place, row in enumerate(rows) for scores in row["seeds"].values()]
    axes.plot(*zip(*dots, strict=True), "o", color=_OURS, markersize=4, alpha=0.8, label="a seed")
    axes.grid(visible=False, axis="y")


def _draw_lead_times(axes: Axes, errors: Mapping[str, NDArray[np.float64]], titles: Mapping[str, str]) -> None:
    """Draw a line for each row; errors are (seed, lead time)."""
    for name, error in errors.items():
        place = list(titles).index(name)
        persists = name == PERSISTENCE
        colour = _GREY if persists else _COLOURS[place % len(_COLOURS)]
        style = ":" if persists else _DASHES[place % len(_DASHES)]
        leads = np.arange(1, error.shape[1] + 1)
        axes.plot(leads, error.mean(0), style, color=colour, label=titles[name], marker="o", markersize=3)
        axes.fill_between(leads, error.min(0), error.max(0), color=colour, alpha=0.15, linewidth=0)
        axes.set_xticks(leads)
    axes.set_xlabel("lead time, frames")


def _draw_published(axes: Axes, rows: Sequence[Any], reference: float) -> None:
    found = [(row["paper"]["mse"] / reference, place) for place, row in enumerate(rows) if row["paper"]]
    axes.plot(*zip(*found, strict=True), "D", color=_PAPER, markersize=6, fillstyle="none", label="the paper's ratio")


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    return file.getvalue()


def _runs(row: Row, scores: RowScores, folder: Path) -> tuple[str, ...]:
    """Return the runs of the first seed whose networks are all there; () for none."""
    for seed in sorted(scores.seeds):
        if row.trials and all((folder / run / CHECKPOINTS).is_dir() for run in row.trials[seed].runs):
            return row.trials[seed].runs
    return ()


def _forecasts(runs: Sequence[Path], inputs: NDArray[np.float32], horizon: int) -> NDArray[np.float32]:
    """Return (sequence, time, y, x), the mean over runs; persistence where there is none."""
    if not runs:
        return np.repeat(inputs[:, -1:], horizon, axis=1)
    networks = [load_forecaster(run, _CPU)[0] for run in runs]
    made: NDArray[np.float32] = np.mean([forecast(one, inputs, horizon, _CPU).frames for one in networks], axis=0)
    return made
