"""The plan of the first table: every row is a run that validates, after what it needs, fair in what it learns from."""

import shlex
from pathlib import Path

import pytest
import yaml

from schemas.errors import InputError
from schemas.run import PROPERTIES, RunConfig
from tests.commands import run as datagen
from trainer.reproduction.plan import PERSISTENCE, Job, Plan, digests_of
from trainer.reproduction.table1 import BUDGETS, RECIPES, ROWS, Setting, table1_plan

TRAINED = [row for row in ROWS if row not in (PERSISTENCE, "mim-ensemble")]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return table1_plan(Setting())


def job(plan: Plan, name: str) -> Job:
    return next(each for each in plan.jobs if each.name == name)


def config(plan: Plan, row: str, seed: int = 1) -> RunConfig:
    ((_, text),) = job(plan, f"train/{row}/{seed}").files
    return RunConfig.parse(yaml.safe_load(text))


def test_the_papers_numbers_are_those_of_its_table() -> None:
    """Table 1, Dynamic MNIST, as models.md 3.11 has it."""
    published = {
        "mim-real": (200, 0.963),
        "mim-all": (174, 0.964),
        "stmoe-id": (115, 0.978),
        "stmoe-conv": (120, 0.975),
    }
    assert {row: recipe.published for row, recipe in RECIPES.items() if recipe.published} == published


def test_every_row_is_trained_and_evaluated_with_every_seed(plan: Plan) -> None:
    names = {each.name for each in plan.jobs}
    assert {name for name in names if name.startswith("train/")} == {
        f"train/{row}/{seed}" for row in TRAINED for seed in (1, 2, 3)
    }
    assert {name for name in names if name.startswith("evaluate/")} == {
        f"evaluate/{row}/{seed}" for row in ROWS if row != PERSISTENCE for seed in (1, 2, 3)
    }
    assert {name for name in names if name.startswith("render/")} == {
        f"render/{name}" for name in (*PROPERTIES, "dynamic-mnist")
    }
    assert [row.name for row in plan.rows] == list(ROWS)
    assert len(digests_of(plan.jobs)) == len(plan.jobs)


def test_commands_name_what_jobs_before_them_made(plan: Plan) -> None:
    made: dict[str, str] = {}
    for each in plan.jobs:
        for word in each.command:
            if word in made and word != each.product:
                assert made[word] in each.needs
        if each.product is not None:
            assert each.product in each.command
            made[each.product] = each.name


def test_evaluations_need_their_own_training_alone(plan: Plan) -> None:
    assert job(plan, "evaluate/mim-all/2").needs == ("train/mim-all/2",)
    ensemble = [job(plan, f"evaluate/mim-ensemble/{seed}").needs for seed in (1, 2, 3)]
    assert ensemble == [
        ("train/mim-all-wide/1", "train/mim-all-wide/2"),
        ("train/mim-all-wide/2", "train/mim-all-wide/3"),
        ("train/mim-all-wide/3", "train/mim-all-wide/1"),
    ]


def test_rows_differ_in_what_they_are_and_not_in_how_they_are_judged(plan: Plan) -> None:
    configs = {row: config(plan, row) for row in TRAINED}
    assert {len(each.data.synthetic) for row, each in configs.items() if row != "mim-real"} == {3}
    assert configs["mim-real"].data.synthetic == {}
    for each in configs.values():
        assert each.data.augment
        assert each.data.real == "data/dynamic-mnist.zarr"
        assert each.data.real_sequences is None
        assert each.schedule.joint.patience is not None
        assert (each.data.input_frames, each.data.horizon, each.loss) == (4, 6, configs["mim-real"].loss)
    assert configs["mim-all-wide"].model.mim.hidden > configs["mim-all"].model.mim.hidden
    assert [config(plan, "mim-all", seed).seed for seed in (1, 2, 3)] == [1, 2, 3]


def test_other_attentions_take_the_experts_of_the_same_seed_and_its_budgets(plan: Plan) -> None:
    for row, attention in (("stmoe-id-uniform", "uniform"), ("stmoe-id-none", "none")):
        theirs, ours = config(plan, "stmoe-id", 2), config(plan, row, 2)
        assert ours.model.attention == attention
        assert ours.schedule.experts_from == "runs/stmoe-id-2"
        assert ours.schedule.model_copy(update={"experts_from": None}) == theirs.schedule
        assert "train/stmoe-id/2" in job(plan, f"train/{row}/2").needs


def test_the_wide_mim_has_the_parameters_of_the_mixture_that_it_is_compared_with(plan: Plan) -> None:
    parameters = {row.name: row.parameters for row in plan.rows}
    assert parameters["mim-all-wide"] == pytest.approx(parameters["stmoe-kinematic"], rel=0.01)
    assert parameters["mim-ensemble"] == 2 * parameters["mim-all-wide"]
    assert parameters[PERSISTENCE] == 0


def test_more_seeds_leave_the_jobs_of_the_others_as_they_are(plan: Plan) -> None:
    before, after = digests_of(plan.jobs), digests_of(table1_plan(Setting(seeds=4)).jobs)
    assert {name for name in before if before[name] != after.get(name)} == {"evaluate/mim-ensemble/3"}


def test_other_budgets_change_the_jobs_of_their_rows_and_no_others() -> None:
    rows = ("mim-real", "mim-all")
    before = digests_of(table1_plan(Setting(rows=rows, seeds=1)).jobs)
    changed = {**BUDGETS["small"], "mim-all": {"joint": {"steps": 2}}}
    after = digests_of(table1_plan(Setting(rows=rows, seeds=1), changed).jobs)
    assert {name for name in before if before[name] != after[name]} == {"train/mim-all/1", "evaluate/mim-all/1"}


def test_some_rows_need_only_their_own_jobs() -> None:
    names = [each.name for each in table1_plan(Setting(rows=("mim-real",), seeds=1)).jobs]
    assert names == ["render/dynamic-mnist", "train/mim-real/1", "evaluate/mim-real/1"]
    lent = {each.name for each in table1_plan(Setting(rows=("stmoe-id-none",), seeds=1)).jobs}
    assert {"train/stmoe-id/1", "train/stmoe-id-none/1"} < lent
    assert "evaluate/stmoe-id/1" not in lent


@pytest.mark.parametrize(("seeds", "pairs"), [(1, 0), (2, 1), (3, 3), (4, 4)])
def test_an_ensemble_takes_no_pair_twice(seeds: int, pairs: int) -> None:
    rows = table1_plan(Setting(rows=("mim-real", "mim-ensemble"), seeds=seeds)).rows
    runs = [frozenset(trial.runs) for trial in rows[1].trials.values()]
    assert len(runs) == len(set(runs)) == pairs
    assert all(len(pair) == 2 for pair in runs)


def test_given_stores_are_not_rendered() -> None:
    plan = table1_plan(Setting(rows=("mim-all",), seeds=1, data="/stores"))
    assert [each.name for each in plan.jobs] == ["train/mim-all/1", "evaluate/mim-all/1"]
    found = config(plan, "mim-all")
    assert found.data.real == "/stores/dynamic-mnist.zarr"
    assert found.data.synthetic["rotation"].store == "/stores/rotation.zarr"


def test_the_paper_scale_is_the_papers() -> None:
    plan = table1_plan(Setting(scale="paper", rows=("mim-all", "mim-all-wide", "stmoe-conv"), seeds=1))
    assert config(plan, "stmoe-conv").model.mim.hidden == 64
    assert config(plan, "mim-all-wide").model.mim.hidden == 128
    assert "--size 128" in shlex.join(job(plan, "render/rotation").command)


@pytest.mark.parametrize("name", [*PROPERTIES, "dynamic-mnist"])
def test_datagen_renders_what_the_plan_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    plan = table1_plan(Setting(rows=("mim-all",), seeds=1, side=16, sequences=2))
    program, *arguments = job(plan, f"render/{name}").command
    done = datagen(*arguments)
    assert program == "datagen"
    assert done.code == 0, done.err
    assert (tmp_path / f"data/{name}.zarr/zarr.json").exists()


def test_sprites_are_passed_on() -> None:
    plan = table1_plan(Setting(rows=("mim-all",), seeds=1, sprites="/digits"))
    commands = {each.name: shlex.join(each.command) for each in plan.jobs}
    assert "--sprites /digits" in commands["render/dynamic-mnist"]
    assert "--sprites" not in commands["render/rotation"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (("mim-tall",), f"mim-tall is no row of table1; give some of {','.join(ROWS)}"),
        (("",), f" is no row of table1; give some of {','.join(ROWS)}"),
        ((PERSISTENCE,), "persistence is scored where another row is; give at least one other, e.g. mim-real"),
    ],
)
def test_rows_that_are_none_are_refused(rows: tuple[str, ...], said: str) -> None:
    with pytest.raises(InputError) as caught:
        table1_plan(Setting(rows=rows))
    assert str(caught.value) == said
