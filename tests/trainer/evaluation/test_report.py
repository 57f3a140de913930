"""A run's folder becomes a page; scores are those of evaluation.json, made anew where they are of something else."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import render_store
from schemas.errors import InputError
from tests.reference.specs import spec_of
from tests.trainer.evaluation.pages import Page
from tests.trainer.evaluation.small_networks import EXPERTS, write_untrained_run
from trainer.data.splits import Selection
from trainer.evaluation.evaluate import evaluate_run, write_evaluation
from trainer.evaluation.markup import number
from trainer.evaluation.report import gather, spread, write_report

TESTED = 6


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "mixed.zarr"
    spec = spec_of(
        "mixed",
        frames=7,
        height=16,
        width=20,
        truth=("property_mask",),
        splits={"train": 2, "validation": 2, "test": TESTED},
    )
    render_store(spec, 4 + TESTED, path)
    return path


@pytest.fixture
def run(store: Path, tmp_path: Path) -> Path:
    write_untrained_run(tmp_path / "run", data={"real": str(store)})
    return tmp_path / "run"


def test_page_of_a_run_shows_examples_experts_and_attribution(run: Path) -> None:
    path = write_report(run)
    assert path == run / "report.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert {"forecasts", "experts", "errors", "attribution", "run"} <= set(page.attributes("id"))
    assert "stmoe-id on mixed.zarr" in page.words
    scores = json.loads((run / "evaluation.json").read_text())["scores"]["model"]
    assert number(scores["mse_sum"]["mean"]) in page.words


def test_data_are_those_of_store_and_network(run: Path, store: Path) -> None:
    data = gather(run)
    assert data.experts == EXPERTS
    assert [example.number for example in data.examples] == [4, 5, 7, 8]
    for example in data.examples:
        assert example.inputs.shape == (4, 16, 20)
        assert example.truth.shape == example.frames.shape == (3, 16, 20)
        assert np.allclose(example.gates.sum(1), 1, atol=1e-5)
        assert np.allclose((example.gates * example.parts).sum(1), example.frames, atol=1e-5)
    assert set(data.parameters) == {*(f"expert {name}" for name in EXPERTS), "gates", "decoder"}
    assert sum(data.parameters.values()) == data.evaluation["parameters"]


def test_scores_that_are_there_are_shown_as_they_are(run: Path) -> None:
    evaluation = evaluate_run(run)
    evaluation["scores"]["model"]["mse_sum"]["mean"] = 123.25
    write_evaluation(evaluation, run, None)
    assert gather(run).evaluation["scores"]["model"]["mse_sum"]["mean"] == 123.25


@pytest.mark.parametrize("change", [{"step": 7}, {"digest": "1" * 64}, {"split": "train"}, {"phase": "gates"}])
def test_scores_of_something_else_are_made_anew(run: Path, change: dict[str, object]) -> None:
    evaluation = evaluate_run(run)
    mean = evaluation["scores"]["model"]["mse_sum"]["mean"]
    evaluation["scores"]["model"]["mse_sum"]["mean"] = -1
    write_evaluation({**evaluation, **change}, run, None)
    assert gather(run).evaluation["scores"]["model"]["mse_sum"]["mean"] == mean
    assert json.loads((run / "evaluation.json").read_text())["scores"]["model"]["mse_sum"]["mean"] == mean


def test_another_store_leaves_the_runs_evaluation_alone(run: Path, store: Path, tmp_path: Path) -> None:
    write_report(run, store=str(store), out=tmp_path / "page.html")
    assert (tmp_path / "page.html").exists()
    assert not (run / "evaluation.json").exists()


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run; give the folder that `trainer fit` wrote"):
        write_report(tmp_path)


def test_run_on_synthetic_data_alone_asks_for_a_store(tmp_path: Path) -> None:
    write_untrained_run(tmp_path / "run", data={"real": None}, model={"kind": "mim"})
    with pytest.raises(InputError, match="learnt from no real store; give --real STORE"):
        write_report(tmp_path / "run")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), min_size=1, max_size=6), st.integers(1, 9))
def test_examples_are_spread_over_a_selection(gaps: list[tuple[int, int]], count: int) -> None:
    ends = np.cumsum(gaps)
    selection = Selection.of(*((int(ends[2 * k]), int(ends[2 * k + 1])) for k in range(len(gaps))))
    members = selection.within(0, 1000).tolist()
    chosen = spread(selection, count)
    assert len(chosen) == min(count, len(members))
    assert chosen == [members[place * len(members) // len(chosen)] for place in range(len(chosen))]
