"""What a run is asked for: a file, one that ships with the package, and options that win over it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.errors import InputError
from schemas.run import RunConfig
from trainer.asking import SHIPPED, config_of, parsed_stores, read_fields

NOTHING: dict[str, Any] = {
    "config": None,
    "synthetic": {},
    "real": None,
    "real_sequences": None,
    "experts_from": None,
    "model": None,
    "scale": None,
    "seed": None,
    "precision": None,
}
FILE: dict[str, Any] = {
    "seed": 3,
    "data": {"synthetic": {"rotation": "r.zarr"}, "real": "a.zarr", "horizon": 9},
    "model": {"kind": "stmoe-conv", "mim": {"hidden": 5}},
    "schedule": {"joint": {"steps": 7}},
    "execution": {"precision": "fp32", "clip": 2.0},
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(FILE))
    return str(path)


def refused(config: str) -> str:
    with pytest.raises(InputError) as caught:
        read_fields(config)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_nothing_asked_for_is_the_smallest_run() -> None:
    assert config_of(**NOTHING) == RunConfig()


def test_a_file_is_the_run_that_it_describes(file: str) -> None:
    assert config_of(**NOTHING | {"config": file}) == RunConfig.parse(FILE)


@pytest.mark.parametrize(
    ("option", "fields"),
    [
        ({"real": "b.zarr"}, {"data": FILE["data"] | {"real": "b.zarr"}}),
        ({"real_sequences": 25}, {"data": FILE["data"] | {"real_sequences": 25}}),
        ({"synthetic": {"spin": "s.zarr"}}, {"data": FILE["data"] | {"synthetic": {"spin": "s.zarr"}}}),
        ({"model": "mim"}, {"model": FILE["model"] | {"kind": "mim"}}),
        ({"scale": "paper"}, {"scale": "paper"}),
        ({"seed": 0}, {"seed": 0}),
        ({"precision": "bf16"}, {"execution": FILE["execution"] | {"precision": "bf16"}}),
    ],
)
def test_an_option_wins_over_the_file_and_leaves_its_other_fields(
    option: dict[str, Any], fields: dict[str, Any], file: str
) -> None:
    assert config_of(**NOTHING | {"config": file} | option) == RunConfig.parse(FILE | fields)


def test_options_need_no_file() -> None:
    asked = {"synthetic": {"rotation": "r.zarr"}, "real": "a.zarr", "model": "mim", "scale": "paper", "seed": 5}
    expected = {"data": {"synthetic": {"rotation": "r.zarr"}, "real": "a.zarr"}, "model": {"kind": "mim"}}
    assert config_of(**NOTHING | asked) == RunConfig.parse(expected | {"scale": "paper", "seed": 5})


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("*.yaml")))
def test_a_run_that_ships_is_asked_for_by_its_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()  # the folder of a run, say
    fields = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"))
    assert config_of(**NOTHING | {"config": name}) == RunConfig.parse(fields)
    (tmp_path / f"{name}.yaml").write_text("seed: 8")
    assert config_of(**NOTHING | {"config": f"{name}.yaml"}).seed == 8


def test_an_empty_file_asks_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("# nothing yet\n")
    assert config_of(**NOTHING | {"config": str(tmp_path / "run.yaml")}) == RunConfig()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("data: {", "run.yaml is no YAML: "),
        (b"\xff\xfe\x00", "run.yaml is no YAML: "),
        ("- seed", "run.yaml: ['seed'] is no RunConfig; give a mapping of its fields"),
        ("3", "run.yaml: 3 is no RunConfig; give a mapping of its fields"),
    ],
)
def test_a_file_of_something_else_is_refused(content: str | bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert refused(str(path)).startswith(f"{tmp_path}/{said}")


def test_a_file_that_is_not_there_is_refused_with_those_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    assert refused(str(path)).startswith(f"{path} does not exist; give a YAML file, or one of demo, dynamic-mnist")
    assert refused(str(tmp_path)) == f"{tmp_path} cannot be read: is a directory"


@pytest.mark.parametrize(
    ("fields", "asked", "said"),
    [
        ({"modle": {}}, {}, "modle is no known field; did you mean model?"),
        ({"data": {"horizont": 3}}, {}, "data.horizont is no known field; did you mean horizon?"),
        ({"data": None}, {"real": "a.zarr"}, "data is None; give a mapping with the fields"),
        ({"model": []}, {"model": "mim"}, "model is []; give a mapping with the fields"),
        ({}, {"seed": -1}, "seed is -1; give a whole number from 0"),
        ({}, {"real_sequences": 0}, "data.real_sequences is 0; give a whole number of 1 or more"),
    ],
)
def test_a_field_at_fault_is_named_with_its_file(
    fields: dict[str, Any], asked: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(fields))
    with pytest.raises(InputError) as caught:
        config_of(**NOTHING | {"config": str(path)} | asked)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_experts_of_another_run_leave_the_rest_of_the_schedule(file: str) -> None:
    schedule = config_of(**NOTHING | {"config": file, "experts_from": "runs/first"}).schedule
    assert (schedule.experts_from, schedule.joint.steps) == ("runs/first", 7)


def test_another_store_of_a_property_keeps_its_number_of_sequences(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    few = {"store": "a.zarr", "sequences": 20}
    path.write_text(yaml.safe_dump({"data": {"synthetic": {"rotation": few, "intensity": "b.zarr"}}}))
    asked = {"config": str(path), "synthetic": {"rotation": "c.zarr", "spin": "d.zarr"}}
    synthetic = config_of(**NOTHING | asked).data.synthetic
    assert {name: (data.store, data.sequences) for name, data in synthetic.items()} == {
        "rotation": ("c.zarr", 20),
        "spin": ("d.zarr", 10_000),
    }


def test_stores_are_named_by_their_property_whatever_their_address_has_in_it() -> None:
    texts = ["rotation=r.zarr", "spin=https://host/v1/specs/3f9c/zarr?token=a=b"]
    assert parsed_stores(texts) == {"rotation": "r.zarr", "spin": "https://host/v1/specs/3f9c/zarr?token=a=b"}
    assert parsed_stores([]) == {}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["rotation.zarr"], "--synthetic rotation.zarr names no store; give PROPERTY=STORE, e.g. rotation="),
        (["=rotation.zarr"], "--synthetic =rotation.zarr names no store; give PROPERTY=STORE"),
        (["rotation="], "--synthetic rotation= names no store; give PROPERTY=STORE"),
        (["a=b", "a=c"], "--synthetic a is given twice; give each property one store"),
    ],
)
def test_a_text_that_names_no_store_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        parsed_stores(texts)
    assert str(caught.value).startswith(said)
