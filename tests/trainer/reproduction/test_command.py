"""`trainer reproduce`: what it prints, refuses and exits with; the jobs of its plan are lines of Python here."""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Done
from tests.trainer.commands import run
from tests.trainer.reproduction.test_scores import evaluation
from trainer.reproduction.engine import Event
from trainer.reproduction.folder import locked
from trainer.reproduction.plan import PERSISTENCE, Job, Plan, Row, Trial
from trainer.reproduction.table1 import RECIPES, Setting
from trainer.reproduction.talk import line_of

WRITE = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
CRASH = "import sys; sys.exit('error: there is no sun')"
INTERRUPT = "import os, signal, time; os.kill(os.getppid(), signal.{name}); time.sleep(60)"


def job(name: str, code: str, *arguments: str, needs: tuple[str, ...] = ()) -> Job:
    return Job(name=name, command=(sys.executable, "-c", code, *arguments), needs=needs, product=f"{name}.json")


def plan_with(training: Callable[[str, int], str]) -> Callable[..., Plan]:
    """Return what stands for `table1_plan`: the rows asked for are trained by such code, and evaluated at once."""

    def plan(setting: Setting, _budgets: object = None) -> Plan:
        names = [row for row in RECIPES if row in setting.rows]
        jobs: list[Job] = []
        rows = []
        for name in names:
            trials = {}
            for seed in range(1, setting.seeds + 1) if name != PERSISTENCE else ():
                train, evaluate = f"train/{name}/{seed}", f"evaluate/{name}/{seed}"
                scores = json.dumps(evaluation(5.0 + seed / 10))
                jobs.append(job(train, training(name, seed)))
                jobs.append(job(evaluate, WRITE, f"{evaluate}.json", scores, needs=(train,)))
                trials[seed] = Trial(evaluate, f"{evaluate}.json", (f"runs/{name}",), (train,))
            rows.append(Row(name=name, title=name, trials=trials, parameters=7, published=RECIPES[name].published))
        return Plan(jobs=tuple(jobs), rows=tuple(rows))

    return plan


@pytest.fixture(autouse=True)
def _no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda _name, _seed: "")
    monkeypatch.setattr("trainer.reproduction.reproduce.forecasts_picture", lambda *_: None)


def use(monkeypatch: pytest.MonkeyPatch, training: Callable[[str, int], str]) -> None:
    monkeypatch.setattr("trainer.reproduction.reproduce.table1_plan", plan_with(training))


def reproduce(folder: Path, *options: str, rows: str = "persistence,mim-real,mim-all") -> Done:
    return run("reproduce", "table1", "--out", folder, "--rows", rows, "--jobs", "2", *options)


def test_the_page_its_json_and_pictures_are_written_and_named(tmp_path: Path) -> None:
    done = reproduce(tmp_path / "out", "--seeds", "2")
    assert (done.code, done.out) == (0, f"{tmp_path}/out/table1.md\n")
    assert {path.name for path in (tmp_path / "out").glob("table1*")} == {
        "table1.md",
        "table1.json",
        "table1-rows.png",
        "table1-lead-times.png",
    }
    page = (tmp_path / "out/table1.md").read_text()
    assert "| mim-real | 77 |" in page
    assert "**does not**" in page  # both rows have the same scores
    lines = done.err.splitlines()
    assert len(lines) == 16
    assert lines[-1].startswith("[8/8] evaluate/mim-")
    assert lines[-1].endswith("about 0:00 left")


def test_the_same_command_runs_nothing_twice_and_more_seeds_are_added(tmp_path: Path) -> None:
    reproduce(tmp_path / "out", "--seeds", "2")
    again = reproduce(tmp_path / "out", "--seeds", "2", "--json")
    assert (again.code, again.err) == (0, "")
    assert json.loads(again.out) == json.loads((tmp_path / "out/table1.json").read_text())
    more = reproduce(tmp_path / "out", "--seeds", "3", "--json")
    assert sum("started" in line for line in more.err.splitlines()) == 4
    assert [len(row["seeds"]) for row in json.loads(more.out)["rows"]] == [1, 3, 3]
    assert len(json.loads(more.out)["commands"]) == 3


def test_a_crash_is_told_its_row_says_so_and_the_rest_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda name, seed: CRASH if (name, seed) == ("mim-all", 2) else "")
    done = reproduce(tmp_path / "out", "--seeds", "2")
    assert done.code == 1
    assert done.error == "1 jobs failed; the same command tries them again"
    log = tmp_path / "out/logs/train/mim-all/2.log"
    assert f"train/mim-all/2 failed: there is no sun; its log is {log}" in done.err.splitlines()
    page = (tmp_path / "out/table1.md").read_text()
    assert "- mim-all, seed 2: not run, train/mim-all/2: there is no sun" in page
    assert "| mim-all | 77 |" in page
    use(monkeypatch, lambda _name, _seed: "")
    assert reproduce(tmp_path / "out", "--seeds", "2").code == 0
    assert ": not run" not in (tmp_path / "out/table1.md").read_text()


def test_where_all_crashes_there_is_a_table_that_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, lambda _name, _seed: CRASH)
    assert reproduce(tmp_path / "out", "--seeds", "1").code == 1
    page = (tmp_path / "out/table1.md").read_text()
    assert page.count("train/mim-real/1: there is no sun") == 1
    assert "![" not in page


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 0)])
def test_a_signal_ends_with_its_code_and_the_same_command_goes_on(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, lambda _name, _seed: INTERRUPT.format(name=name))
    done = reproduce(tmp_path / "out", "--seeds", "1")
    assert (done.code, done.out) == (code, "")
    assert done.err.splitlines()[-1] == f"stopped by {name}; the same command continues"
    assert not (tmp_path / "out/table1.md").exists()
    use(monkeypatch, lambda _name, _seed: "")
    assert reproduce(tmp_path / "out", "--seeds", "1").code == 0


def test_a_dry_run_lists_what_is_left_and_writes_nothing(tmp_path: Path) -> None:
    done = reproduce(tmp_path / "out", "--seeds", "1", "--dry-run")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()[1:5]] == [
        f"{kind}/{row}/1" for row in ("mim-real", "mim-all") for kind in ("train", "evaluate")
    ]
    assert "4 of 4 jobs are left" in done.out
    assert not (tmp_path / "out").exists()
    reproduce(tmp_path / "out", "--seeds", "1")
    assert (
        "0 of 4 jobs are left: about 0:00 of CPU time" in reproduce(tmp_path / "out", "--seeds", "1", "--dry-run").out
    )


def test_a_dry_run_of_all_rows_has_parameters_and_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found: dict[str, Any] = json.loads(
        run("reproduce", "table1", "--out", tmp_path / "out", "--jobs", "2", "--dry-run", "--json").out
    )
    assert [row["name"] for row in found["rows"]] == list(RECIPES)
    training = [each for each in found["jobs"] if each["name"].startswith("train/")]
    assert all(each["parameters"] > 0 and each["cpu_seconds"] > 0 and not each["done"] for each in training)
    assert found["cpu_seconds"] / 2 <= found["seconds"] <= found["cpu_seconds"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rows", "mim-tall"], "mim-tall is no row of table1; give some of persistence,"),
        (["--data", "nowhere"], "nowhere/translation.zarr"),
    ],
)
def test_bad_input_is_one_line(options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    done = run("reproduce", "table1", "--out", tmp_path / "out", *options)
    assert done.code == 1
    assert said in done.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "options",
    [["--data", "d", "--sprites", "s"], ["--seeds", "0"], ["--jobs", "0"], ["--scale", "huge"]],
)
def test_options_that_contradict_or_are_out_of_range_are_usage(options: list[str], tmp_path: Path) -> None:
    done = run("reproduce", "table1", "--out", tmp_path / "out", *options)
    assert done.code == 2
    assert done.error.endswith("see `trainer reproduce --help`")


def test_another_plan_and_another_command_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    reproduce(folder, "--seeds", "2")
    assert "rows is persistence,mim-real,mim-all there and mim-all here" in reproduce(folder, rows="mim-all").error
    assert "seeds is 2 there and 1 here" in reproduce(folder, "--seeds", "1").error
    assert "sprites is not given there and" in reproduce(folder, "--sprites", "digits").error
    assert "scale is small there and paper here" in reproduce(folder, "--scale", "paper", "--dry-run").error
    with locked(folder):
        assert "another command" in reproduce(folder, "--seeds", "2").error


def test_without_datagen_stores_must_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.reproduction.reproduce.find_spec", lambda name: name != "numba" or None)
    error = reproduce(tmp_path / "out").error
    assert error == (
        "numba is not installed, and the stores are to be rendered; pip install 'stmoe-synth[datagen]', "
        "or give --data DIR with stores"
    )
    assert importlib.util.find_spec("numba") is not None
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event("train/a/1", "started", "", 0.0, 2, 9, 4000.0), "[2/9] train/a/1 started, about 1:06:40 left"),
        (Event("train/a/1", "done", "", 63.0, 3, 9, 90.0), "[3/9] train/a/1 done in 1:03, about 1:30 left"),
        (Event("train/a/1", "failed", "no sun", 5.0, 2, 9, 90.0), "[2/9] train/a/1 failed after 0:05: no sun"),
        (Event("a", "stopped", "was stopped", 5.0, 2, 9, 90.0), "[2/9] a was stopped"),
        (Event("a", "not run", "b: no sun", 0.0, 2, 9, 90.0), "[2/9] a not run: b: no sun"),
    ],
)
def test_an_event_is_a_line(event: Event, line: str) -> None:
    assert line_of(event) == line
