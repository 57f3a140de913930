"""RunConfig: sizes of a scale, experts by name, one line for what is wrong, and the same run from its resolved form."""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator

from schemas.errors import InputError
from schemas.generate import json_schema
from schemas.model import Model
from schemas.run import PROPERTIES, ModelKind, RunConfig

SHIPPED = sorted((Path(__file__).parents[2] / "trainer/configs").glob("*.yaml"))
STORES = {name: f"{name}.zarr" for name in PROPERTIES}
SMALL = {"scale": "small", "data": {"synthetic": STORES, "real": "real.zarr"}}
PAPER = SMALL | {"scale": "paper"}


def refused(fields: Any) -> str:
    with pytest.raises(InputError) as caught:
        RunConfig.parse(fields)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_nothing_asked_for_is_a_small_run() -> None:
    assert RunConfig.parse({}) == RunConfig.parse({"scale": "small"}) == RunConfig()


def test_small_is_what_two_cores_can_train() -> None:
    model = RunConfig.parse(SMALL).model
    assert (model.mim.layers, model.mim.hidden, model.mim.kernel, model.mim.patch) == (2, 16, 3, 2)
    assert (model.addl.width, model.addl.stages, model.features) == (16, 4, 4)
    assert (model.gating.channels, model.gating.dilations, model.gating.head) == (16, (1, 2, 1), 8)


def test_paper_is_full_size() -> None:
    model = RunConfig.parse(PAPER).model
    assert (model.mim.layers, model.mim.hidden, model.mim.kernel, model.mim.patch) == (4, 64, 5, 4)
    assert (model.addl.width, model.addl.stages, model.features) == (64, 5, 16)
    assert (model.gating.channels, model.gating.dilations, model.gating.head) == (32, (1, 2, 4, 1), 16)


@pytest.mark.parametrize("fields", [SMALL, PAPER])
def test_field_of_the_user_leaves_the_others_to_the_scale(fields: dict[str, Any]) -> None:
    asked = {"schedule": {"joint": {"steps": 7}}, "model": {"mim": {"hidden": 5}}}
    plain, changed = RunConfig.parse(fields), RunConfig.parse(fields | asked)
    assert (changed.schedule.joint.steps, changed.model.mim.hidden) == (7, 5)
    assert changed.schedule.joint.model_copy(update={"steps": plain.schedule.joint.steps}) == plain.schedule.joint
    assert changed.model.mim.model_copy(update={"hidden": plain.model.mim.hidden}) == plain.model.mim
    assert changed.schedule.gates == plain.schedule.gates


@pytest.mark.parametrize("fields", [{}, SMALL, PAPER, *({"model": {"kind": kind}} for kind in get_args(ModelKind))])
def test_resolved_form_is_the_same_run_whatever_the_scale_becomes(fields: dict[str, Any]) -> None:
    config = RunConfig.parse(fields)
    assert RunConfig.parse(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config
    assert RunConfig.model_validate_json(config.canonical_json()) == config
    resolved = config.model_dump() | {"scale": "paper"}
    assert RunConfig.parse(resolved).model_copy(update={"scale": config.scale}) == config


def test_path_alone_is_a_store() -> None:
    short, long = ({"data": {"synthetic": {"spin": value}}} for value in ("a.zarr", {"store": "a.zarr"}))
    assert RunConfig.parse(short) == RunConfig.parse(long)


@pytest.mark.parametrize(
    ("model", "names", "experts"),
    [
        ("stmoe-id", PROPERTIES, {"translation": "addl", "rotation": "mim", "intensity": "mim"}),
        ("stmoe-conv", PROPERTIES, dict.fromkeys(PROPERTIES, "mim")),
        ("mim", PROPERTIES, {"all": "mim"}),
        ("stmoe-id", (), {"translation": "addl", "rotation": "mim", "intensity": "mim"}),
        ("stmoe-id", ("rotation", "deformation"), {"rotation": "mim", "deformation": "mim"}),
        (
            "stmoe-id",
            (*PROPERTIES, "flicker"),
            {"translation": "addl"} | dict.fromkeys((*PROPERTIES, "flicker")[1:], "mim"),
        ),
    ],
)
def test_each_store_names_an_expert(model: str, names: tuple[str, ...], experts: dict[str, str]) -> None:
    config = RunConfig.parse({"model": {"kind": model}, "data": {"synthetic": dict.fromkeys(names, "a.zarr")}})
    assert list(config.experts.items()) == list(experts.items())


def test_kinds_may_be_named_in_any_order() -> None:
    named = {"spin": "mim", "intensity": "mim", "translation": "mim", "rotation": "addl"}
    orders = [named, dict(sorted(named.items())), dict(sorted(named.items(), reverse=True))]
    found = [list(RunConfig.parse({"model": {"experts": order}}).experts.items()) for order in orders]
    expected = [("translation", "mim"), ("rotation", "addl"), ("intensity", "mim"), ("spin", "mim")]
    assert found == [expected] * 3


def test_how_a_file_lists_stores_and_experts_is_no_matter() -> None:
    """It decides the order in which sequences are read, and which gate is whose."""
    stores = STORES | {"b": "b.zarr", "a": "a.zarr"}
    configs = [
        RunConfig.parse({"data": {"synthetic": dict(order)}}) for order in (stores.items(), sorted(stores.items()))
    ]
    expected = [*PROPERTIES, "a", "b"]
    assert [list(config.data.synthetic) for config in configs] == [expected, expected]
    assert [list(config.experts) for config in configs] == [expected, expected]
    assert list(RunConfig.model_validate_json(configs[0].canonical_json()).data.synthetic) == expected


@pytest.mark.parametrize(
    ("changes", "local"),
    [
        ({}, True),
        ({"schedule": {"kind": "end-to-end"}}, False),
        ({"data": {"real": "real.zarr"}}, False),
        ({"data": {"synthetic": STORES}}, True),
    ],
)
def test_a_run_is_local_where_it_learns_from_synthetic_data(changes: dict[str, Any], local: bool) -> None:
    assert RunConfig.parse(SMALL | changes).local is local


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"modle": {}}, "modle is no known field; did you mean model?"),
        ({"model": {"mim": {"hiden": 4}}}, "model.mim.hiden is no known field; did you mean hidden?"),
        ({"schedule": {"joint": {"lr": 1}}}, "schedule.joint.lr is no known field; known fields: steps, batch,"),
        ({"scale": "medium"}, "scale is medium; give one of small, paper"),
        ({"seed": -1}, "seed is -1; give a whole number from 0"),
        ({"seed": 0.5}, "seed is 0.5; give a whole number"),
        ({"model": {"kind": "stmoe"}}, "model.kind is stmoe; give one of stmoe-id, stmoe-conv, stmoe-kinematic, mim"),
        ({"model": {"experts": {"a": "lstm"}}}, "model.experts.a is lstm; give one of mim, addl"),
        ({"model": {"mim": {"kernel": 4}}}, "model.mim.kernel is 4; give one of 1, 3, 5, 7"),
        ({"model": {"gating": {"dilations": []}}}, "model.gating.dilations is []; give a list of 1 or more"),
        ({"data": {"input_frames": 1}}, "data.input_frames is 1; give a whole number from 2 to 64"),
        ({"data": {"horizon": 0}}, "data.horizon is 0; give a whole number from 1 to 256"),
        ({"data": {"synthetic": {"a": {"store": "a", "sequences": 1}}}}, "sequences is 1; give a whole number of 2 or"),
        ({"data": {"synthetic": {"a": {}}}}, "data.synthetic.a.store is missing"),
        ({"data": {"real": ""}}, "data.real is empty"),
        ({"loss": {"reconstruction": {"c": 0}}}, "loss.reconstruction.c is 0; give a number above 0"),
        ({"loss": {"entropy": float("nan")}}, "loss.entropy is nan; give a number of 0 or more"),
        ({"schedule": {"mim": {"steps": 0}}}, "schedule.mim.steps is 0; give a whole number of 1 or more"),
        ({"schedule": {"mim": {"learning_rate": 2}}}, "schedule.mim.learning_rate is 2; give a number"),
        ({"schedule": None}, "schedule is None; give a mapping"),
        ([], "[] is no RunConfig; give a mapping of its fields"),
        (SMALL | {"model": {"experts": {"spin": "mim"}}}, "no store for the expert spin; give one, e.g. spin.zarr"),
        (
            {"model": {"kind": "stmoe-conv", "experts": {"a": "addl"}}},
            "model.experts has an addl, which emits images; give mim, or the model stmoe-id",
        ),
        ({"data": {"synthetic": {"a.b": "a"}}}, "an expert cannot be named a.b; give letters, digits, - and _"),
        ({"data": {"synthetic": {"../a": "a"}}}, "an expert cannot be named ../a"),
        ({"data": {"synthetic": {"": "a"}}}, "an expert cannot be named empty"),
        ({"model": {"experts": {"all": "mim"}}}, "an expert cannot be named all"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(fields: Any, message: str) -> None:
    assert message in refused(fields)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_runs_are_valid_for_the_model_and_for_its_schema(path: Path) -> None:
    fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    config = RunConfig.parse(fields, path.name)
    validator = Draft202012Validator(json.loads(json_schema(RunConfig)))
    validator.validate(fields)
    validator.validate(config.model_dump(mode="json"))


def test_every_number_and_choice_says_what_it_is() -> None:
    def undescribed(model: type[Model], prefix: str) -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Model):
                found += undescribed(field.annotation, f"{prefix}{name}.")
            elif not field.description:
                found.append(prefix + name)
        return found

    assert undescribed(RunConfig, "") == []
