"""The JSON Schemas in the repository: they are the models' own, and they accept what the models accept."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import InputError, RenderSpec
from schemas.generate import MODELS, drifted, json_schema, main

ACCEPTED: list[dict[str, Any]] = [
    {"property": "rotation"},
    {"property": {"kind": "rotation", "pivot": "orbit"}},
    {"property": {"kind": "translation", "speed": [0, 0]}},
    {"property": {"kind": "intensity", "kernel_width": [3, 3]}},
    {"property": {"kind": "mixed", "assignments": [["translation"], ["rotation", "intensity"]]}},
    {"property": "mixed", "frames": 1, "height": 17, "width": 33, "dtype": "float16"},
    {"property": "mixed", "noise": {"ratio": 0}, "truth": ["flow", "clean"], "seed": 2**64 - 1},
    {"property": "mixed", "splits": {"train": 1, "validation": 1, "test": 1}, "sprites": None},
]
REFUSED: list[dict[str, Any]] = [
    {},
    {"property": "spin"},
    {"property": {"kind": "translation", "angular_velocity": [0, 1]}},
    {"property": "rotation", "frames": 0},
    {"property": "rotation", "noise": {"ratio": -1}},
    {"property": "rotation", "noise": {"ratoi": 1}},
    {"property": "rotation", "truth": ["flows"]},
    {"property": "rotation", "objects": {"count": [1]}},
    {"property": "rotation", "seed": 2**64},
]


def validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(json_schema(RenderSpec)))


def test_committed_schemas_are_what_the_models_say() -> None:
    assert drifted() == []


@pytest.mark.parametrize("name", MODELS)
def test_schemas_are_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(json.loads(json_schema(MODELS[name])))


@pytest.mark.parametrize("data", ACCEPTED)
def test_what_the_model_accepts_the_schema_accepts(data: dict[str, Any]) -> None:
    spec = RenderSpec.parse(data)
    validator().validate(data)
    validator().validate(json.loads(spec.canonical_json()))


@pytest.mark.parametrize("data", REFUSED)
def test_what_the_schema_refuses_the_model_refuses(data: dict[str, Any]) -> None:
    assert not validator().is_valid(data)
    with pytest.raises(InputError):
        RenderSpec.parse(data)


def test_every_number_of_a_spec_has_its_range_in_the_schema() -> None:
    def numbers(node: Any) -> list[dict[str, Any]]:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
        here = [node] if isinstance(node, dict) and node.get("type") in ("number", "integer") else []
        return [*here, *(number for child in children for number in numbers(child))]

    found = numbers(json.loads(json_schema(RenderSpec)))
    assert len(found) > 20
    for number in found:
        assert {"minimum", "exclusiveMinimum", "const"} & number.keys(), number
        assert {"maximum", "const"} & number.keys(), number


def test_check_names_the_drifted_file_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([], tmp_path)
    edited = tmp_path / "render_spec.json"
    edited.write_text("{}")
    (tmp_path / "store_attributes.json").unlink()
    assert main(["--check"], tmp_path) == 1
    said = capsys.readouterr().err
    assert f"error: {edited} differs from its model; run python -m schemas.generate" in said
    assert "store_attributes.json" in said
    assert edited.read_text() == "{}"


def test_written_schemas_pass_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path / "new") == 0
    assert main(["--check"], tmp_path / "new") == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(MODELS)
    assert capsys.readouterr().err == ""
