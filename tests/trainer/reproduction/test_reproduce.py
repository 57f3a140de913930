"""The whole of it, small: real training and evaluation by the commands, resumed, with a row that cannot be trained."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageSequence

from datagen import render_store
from tests.reference.specs import spec_of
from tests.trainer.reproduction.engines import start
from tests.trainer.tiny import PROPERTIES, tiny_fields
from tests.waiting import wait_for
from trainer.reproduction.engine import Event
from trainer.reproduction.folder import claim, locked
from trainer.reproduction.plan import Job
from trainer.reproduction.records import read_record
from trainer.reproduction.reproduce import Results, identity_of, reproduce
from trainer.reproduction.table1 import RECIPES, Setting

PHASES = ("decoder", "mim", "addl", "gates", "joint")
SHORT = {phase: {"steps": 2, "batch": 4, "validate_every": 2} for phase in PHASES}
BUDGETS = dict.fromkeys(RECIPES, SHORT)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Render the four stores of a table, with a few sequences of 16x16 px."""
    folder = tmp_path_factory.mktemp("data")
    size = {"frames": 10, "height": 16, "width": 16}
    for name in PROPERTIES:
        render_store(spec_of(name, **size), 40, folder / f"{name}.zarr", workers=1)
    splits = {"train": 8, "validation": 4, "test": 6}
    real = spec_of("mixed", **size, splits=splits, truth=("mask", "property_mask"))
    render_store(real, 18, folder / "dynamic-mnist.zarr", workers=1)
    return folder


@pytest.mark.slow
def test_rows_are_trained_evaluated_and_shown_and_nothing_runs_twice(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    setting = Setting(seeds=1, rows=("persistence", "mim-real", "mim-all", "stmoe-id"), data=str(data))
    with locked(out):
        claim(out, identity_of(setting))
    (out / "runs/mim-all-1").mkdir(parents=True)
    (out / "runs/mim-all-1/config.yaml").write_text("{seed: 77}")

    events: list[Event] = []
    results = reproduce(setting, out, 2, budgets=BUDGETS, show=events.append)

    assert sum(event.state == "done" for event in events) == 4, events
    (failure,) = results.failures
    assert failure.startswith("train/mim-all/1 failed: runs/mim-all-1 holds a run of another configuration (")
    check_table(results, out)
    again: list[Event] = []
    assert reproduce(setting, out, 2, budgets=BUDGETS, show=again.append).failures == results.failures
    assert {event.job for event in again} == {"train/mim-all/1", "evaluate/mim-all/1"}

    whole = (out / "table1.gif").read_bytes()
    for name, drawn in (("stmoe-id-1", True), ("mim-real-1", False)):  # checkpoints are large, and scores are kept
        shutil.rmtree(out / "runs" / name)
        assert reproduce(setting, out, 2, budgets=BUDGETS).table["rows"] == results.table["rows"]
        assert ("](table1.gif)" in (out / "table1.md").read_text()) is drawn
    assert (out / "table1.gif").read_bytes() != whole


def check_table(results: Results, out: Path) -> None:
    table = json.loads((out / "table1.json").read_text())
    assert table == results.table
    rows = {row["name"]: row for row in table["rows"]}
    assert rows["mim-all"]["missing"]["1"].startswith("train/mim-all/1: ")
    evaluation = json.loads((out / "evaluations/stmoe-id-1.json").read_text())
    scores = rows["stmoe-id"]["seeds"]["1"]
    assert scores["mse_sum"] == evaluation["scores"]["model"]["mse_sum"]["mean"]
    assert rows["persistence"]["summary"]["ssim"]["mean"] == evaluation["scores"]["persistence"]["ssim"]["mean"]
    assert set(scores["attribution"]) <= set(PROPERTIES)
    assert scores["cpu_seconds"] > 1
    assert rows["stmoe-id"]["parameters"] == evaluation["parameters"]
    assert yaml.safe_load((out / "configs/stmoe-id-1.yaml").read_text()) == yaml.safe_load(
        (out / "runs/stmoe-id-1/config.yaml").read_text()
    )
    page = (out / "table1.md").read_text()
    for name in ("table1-rows.png", "table1-lead-times.png", "table1.gif"):
        assert f"]({name})" in page
        with Image.open(out / name) as picture:
            assert len(list(ImageSequence.Iterator(picture))) == (10 if name.endswith("gif") else 1)
            assert np.ptp(np.asarray(picture.convert("L"))) > 100


@pytest.mark.slow
def test_a_fit_that_a_signal_stopped_is_not_done(stores: dict[str, str], tmp_path: Path) -> None:
    budget = {"steps": 100_000, "batch": 4, "validate_every": 50_000}
    fields = tiny_fields(stores, schedule=dict.fromkeys(PHASES, budget))
    command = ("trainer", "fit", "--config", "run.yaml", "--out", "run", "--device", "cpu")
    (tmp_path / "out").mkdir()
    engine = start(tmp_path / "out", Job(name="fit", command=command, files=(("run.yaml", yaml.safe_dump(fields)),)))
    wait_for((tmp_path / "out/run/log.jsonl").exists, engine)
    engine.terminate()
    out, err = engine.communicate(timeout=60)
    assert json.loads(out) == ["SIGTERM", {"fit": "stopped"}], err
    record = read_record(tmp_path / "out", "fit")
    assert record is not None
    assert record.return_code is None
    assert "stopped by SIGTERM and saved" in (tmp_path / "out/logs/fit.log").read_text()
