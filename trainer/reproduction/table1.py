"""The paper's first table as a plan: render, train every row with every seed, evaluate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from schemas.errors import InputError
from schemas.run import PROPERTIES, RunConfig, Scale
from trainer.reproduction.costs import (
    parameters_of,
    seconds_of_evaluation,
    seconds_of_rendering,
    seconds_of_training,
)
from trainer.reproduction.plan import PERSISTENCE, Job, Plan, Published, Row, Trial, needed

REAL: Final = "dynamic-mnist"
SIDES: Final[dict[Scale, int]] = {"small": 32, "paper": 128}
"""Of a frame, px."""
SEQUENCES: Final = 10_000
"""Of each synthetic store, as in the paper."""
REAL_SEQUENCES, TEST_SEQUENCES, FRAMES = 850, 500, 10
"""Of Dynamic MNIST, and the frames of every sequence."""
WIDE: Final[dict[Scale, int]] = {"small": 28, "paper": 128}
"""Channels of the MIM that has about as many parameters as STMoE-kinematic (models.md 7.4)."""
ESTIMATORS: Final[dict[Scale, Mapping[str, Any]]] = {"small": {"channels": (14, 18, 28, 40)}, "paper": {}}
"""Fields of `model.kinematic` with which, at the scale `small`, that mixture has the parameters of this MIM."""

Budgets = Mapping[str, Mapping[str, Any]]
"""Fields of `schedule` by row."""

_PAPERS: Final[Mapping[str, Any]] = {
    "decoder": {"steps": 1500},
    "mim": {"steps": 500},
    "addl": {"steps": 1500, "learning_rate": 1e-3},
    "gates": {"steps": 1500, "learning_rate": 5e-3},
}
"""Of the mixtures that are the paper's, whose MIMs start from F0."""
BUDGETS: Final[dict[Scale, Budgets]] = {
    "small": {
        "mim-real": {"joint": {"steps": 7000}},
        "mim-all": {"decoder": {"steps": 2000}, "joint": {"steps": 6000}},
        "mim-all-wide": {"decoder": {"steps": 1300}, "joint": {"steps": 2700}},
        "stmoe-id": {**_PAPERS, "joint": {"steps": 1400}},
        "stmoe-conv": {**_PAPERS, "joint": {"steps": 1300}},
        "stmoe-kinematic": {
            "kinematic": {"steps": 2000},
            "gates": {"steps": 1500, "learning_rate": 5e-3},
            "joint": {"steps": 1500},
        },
    },
    "paper": {
        "mim-real": {"joint": {"steps": 100_000, "batch": 16, "learning_rate": 5e-4, "validate_every": 500}},
    },
}
"""How long each row learns, where that is not what its scale gives to every run (`schemas.run`). Every row keeps what
was best on validation, and no MIM is to take more CPU seconds than STMoE-kinematic (models.md 7.4); the paper's
mixtures take a little more, since their gates learn as long. A row whose experts are another's has its budgets."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a row comes about."""

    title: str
    published: Published | None = None
    model: Mapping[str, Any] = field(default_factory=dict)
    """Fields of `model`."""
    synthetic: bool = True
    """Whether it learns from synthetic stores too."""
    trained_as: str | None = None
    """The row whose runs it takes; None for its own."""
    members: int = 1
    """Runs of neighbouring seeds, whose mean forecast it is."""
    experts_of: str | None = None
    """The row from whose run of the same seed its experts and decoder come."""


RECIPES: Final[dict[str, Recipe]] = {
    PERSISTENCE: Recipe(title="persistence"),
    "mim-real": Recipe(
        title="MIM, real sequences alone", published=Published(200, 0.963), model={"kind": "mim"}, synthetic=False
    ),
    "mim-all": Recipe(title="MIM with D-all", published=Published(174, 0.964), model={"kind": "mim"}),
    "mim-all-wide": Recipe(title="MIM with D-all, matched parameters", model={"kind": "mim"}),
    "mim-ensemble": Recipe(title="mean of two matched MIMs", trained_as="mim-all-wide", members=2),
    "stmoe-id": Recipe(title="STMoE-Id", published=Published(115, 0.978), model={"kind": "stmoe-id"}),
    "stmoe-conv": Recipe(title="STMoE-conv", published=Published(120, 0.975), model={"kind": "stmoe-conv"}),
    "stmoe-kinematic": Recipe(title="STMoE-kinematic", model={"kind": "stmoe-kinematic"}),
    "stmoe-id-uniform": Recipe(
        title="STMoE-Id, uniform attention",
        model={"kind": "stmoe-id", "attention": "uniform"},
        experts_of="stmoe-id",
    ),
    "stmoe-id-none": Recipe(
        title="STMoE-Id, no attention", model={"kind": "stmoe-id", "attention": "none"}, experts_of="stmoe-id"
    ),
}
"""In the order of the table. The paper's numbers are of Dynamic MNIST (models.md 3.11)."""

ROWS: Final = tuple(RECIPES)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a table is asked for."""

    scale: Scale = "small"
    seeds: int = 3
    """The seeds are 1 to this."""
    rows: tuple[str, ...] = ROWS
    data: str | None = None
    """Folder or URL of the four stores; None to render them."""
    sprites: str | None = None
    """What `datagen render --sprites` takes; None for its digits."""
    side: int | None = None
    """Of a frame to render, px; None for that of the scale."""
    sequences: int = SEQUENCES
    """Of each synthetic store to render."""

    @property
    def stores(self) -> dict[str, str]:
        """Path or URL of each store by name, relative to the folder of results where it is rendered."""
        folder = "data" if self.data is None else self.data.rstrip("/")
        return {name: f"{folder}/{name}.zarr" for name in (*PROPERTIES, REAL)}


def table1_plan(setting: Setting, budgets: Budgets | None = None) -> Plan:
    """
    Return the jobs and rows of the paper's first table, on Dynamic MNIST; nothing is read or written.

    Parameters
    ----------
    setting : what is asked for
    budgets : fields of `schedule` by row; None for those of the scale

    Raises
    ------
    InputError
        a row is unknown, or there is none but persistence; or a row's configuration is none of a run.
    """
    _check_rows(setting.rows)
    configs = {
        (row, seed): _config(setting, row, seed, BUDGETS[setting.scale] if budgets is None else budgets)
        for row in _trained(setting.rows)
        for seed in range(1, setting.seeds + 1)
    }
    parameters = {row: parameters_of(config) for (row, seed), config in configs.items() if seed == 1}
    rows = tuple(_row(setting, row, parameters) for row in RECIPES if row in setting.rows)
    trains = [_train(setting, row, seed, config, parameters[row]) for (row, seed), config in configs.items()]
    evaluates = [
        _evaluate(row.name, trial, configs[_runs_of(row.name), seed])
        for row in rows
        for seed, trial in row.trials.items()
    ]
    jobs = (*_renders(setting), *trains, *evaluates)
    return Plan(jobs=needed(jobs, [job.name for job in evaluates]), rows=rows)


def _check_rows(rows: Sequence[str]) -> None:
    for row in rows:
        if row not in RECIPES:
            raise InputError(f"{row} is no row of table1; give some of {','.join(RECIPES)}")
    if not set(rows) - {PERSISTENCE}:
        raise InputError("persistence is scored where another row is; give at least one other, e.g. mim-real")


def _trained(rows: Sequence[str]) -> list[str]:
    """Return the rows that are trained for these, each after that from which its experts come."""
    own = {_runs_of(row) for row in rows if row != PERSISTENCE}
    lenders = {lender for row in own if (lender := RECIPES[row].experts_of) is not None}
    return [row for row in RECIPES if row in own | lenders]


def _runs_of(row: str) -> str:
    return RECIPES[row].trained_as or row


def _run(row: str, seed: int) -> str:
    return f"runs/{row}-{seed}"


def _training(row: str, seed: int) -> str:
    return f"train/{row}/{seed}"


def _config(setting: Setting, row: str, seed: int, budgets: Budgets) -> RunConfig:
    recipe, stores = RECIPES[row], setting.stores
    sizes: dict[str, Mapping[str, Any]] = {
        "mim-all-wide": {"mim": {"hidden": WIDE[setting.scale]}},
        "stmoe-kinematic": {"kinematic": ESTIMATORS[setting.scale]},
    }
    model = {**recipe.model, **sizes.get(row, {})}
    schedule = dict(budgets.get(recipe.experts_of or row, {}))
    if recipe.experts_of is not None:
        schedule["experts_from"] = _run(recipe.experts_of, seed)
    synthetic = {name: stores[name] for name in PROPERTIES} if recipe.synthetic else {}
    fields = {
        "scale": setting.scale,
        "seed": seed,
        "data": {"synthetic": synthetic, "real": stores[REAL]},
        "model": model,
        "schedule": schedule,
    }
    return RunConfig.parse(fields, f"row {row}")


def _row(setting: Setting, row: str, parameters: Mapping[str, int]) -> Row:
    recipe = RECIPES[row]
    lender = recipe.experts_of
    return Row(
        name=row,
        title=recipe.title,
        trials={} if row == PERSISTENCE else _trials(row, setting.seeds),
        parameters=recipe.members * parameters.get(_runs_of(row), 0),
        published=recipe.published,
        note="" if lender is None else f"its experts are those of {lender}, whose CPU seconds are not counted again",
    )


def _trials(row: str, seeds: int) -> dict[int, Trial]:
    """Return the trials of a row by seed; the last seed's neighbour is the first, where they are no pair yet."""
    members = RECIPES[row].members
    groups: dict[int, tuple[int, ...]] = {}
    for seed in range(1, seeds + 1):
        group = tuple((seed + step - 1) % seeds + 1 for step in range(members))
        if len(set(group)) == members and set(group) not in map(set, groups.values()):
            groups[seed] = group
    return {
        seed: Trial(
            job=f"evaluate/{row}/{seed}",
            evaluation=f"evaluations/{row}-{seed}.json",
            runs=tuple(_run(_runs_of(row), member) for member in group),
            training=tuple(_training(_runs_of(row), member) for member in group),
        )
        for seed, group in groups.items()
    }


def _renders(setting: Setting) -> list[Job]:
    """Return the jobs that make the stores; none where they are given."""
    if setting.data is not None:
        return []
    side = setting.side or SIDES[setting.scale]
    asked = ("--size", str(side), "--seed", "0")
    sprites = () if setting.sprites is None else ("--sprites", setting.sprites)
    # Without noise: the real sequences have none, and a MIM that learns under noise errs on clean frames.
    synthetic = ("--n", str(setting.sequences), "--noise-ratio", "0", "--truth", "clean,mask")
    kinds = {name: ("--property", name, *synthetic) for name in PROPERTIES} | {REAL: ("--preset", REAL, *sprites)}
    counts = dict.fromkeys(PROPERTIES, setting.sequences) | {REAL: REAL_SEQUENCES}
    return [
        Job(
            name=f"render/{name}",
            command=("datagen", "render", *kind, *asked, "--out", setting.stores[name]),
            estimate=seconds_of_rendering(counts[name], FRAMES, side),
            product=setting.stores[name],
        )
        for name, kind in kinds.items()
    ]


def _train(setting: Setting, row: str, seed: int, config: RunConfig, parameters: int) -> Job:
    recipe, file = RECIPES[row], f"configs/{row}-{seed}.yaml"
    stores = () if setting.data is not None else (*config.data.synthetic, REAL)
    lender = () if recipe.experts_of is None else (_training(recipe.experts_of, seed),)
    return Job(
        name=_training(row, seed),
        command=("trainer", "fit", "--config", file, "--out", _run(row, seed), "--device", "auto"),
        needs=(*(f"render/{name}" for name in stores), *lender),
        estimate=seconds_of_training(config),
        parameters=parameters,
        files=((file, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)),),
        product=_run(row, seed),
    )


def _evaluate(row: str, trial: Trial, config: RunConfig) -> Job:
    return Job(
        name=trial.job,
        command=("trainer", "evaluate", *trial.runs, "--split", "test", "--out", trial.evaluation),
        needs=trial.training,
        estimate=RECIPES[row].members * seconds_of_evaluation(config, TEST_SEQUENCES),
        product=trial.evaluation,
    )
