"""Canonical JSON and digest: one text, and so one name, for everything that means the same."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas import InputError, RenderSpec
from schemas.model import Model, digest


class Point(Model):
    x: float = 0.0
    y: float = 0.0
    label: str = ""


DEFAULT_ROTATION_DIGEST = "28c8b182531f3f6e241b76628aa6b150a151b2e180715b45d7bbd4864f05d4cc"

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(x=finite, y=finite, label=st.text())
def test_order_of_keys_does_not_matter(x: float, y: float, label: str) -> None:
    forward = Point.parse({"x": x, "y": y, "label": label})
    backward = Point.parse({"label": label, "y": y, "x": x})
    assert forward.canonical_json() == backward.canonical_json()


@given(st.integers(-(2**53), 2**53))
def test_integers_and_equal_floats_are_one_value(number: int) -> None:
    assert digest(Point.parse({"x": number})) == digest(Point.parse({"x": float(number)}))


def test_negative_zero_is_zero() -> None:
    assert Point.parse({"x": -0.0}).canonical_json() == Point.parse({"x": 0}).canonical_json()
    assert '"x":0.0' in Point.parse({"x": -0.0}).canonical_json()


@given(finite)
def test_canonical_json_holds_every_float_to_the_bit(x: float) -> None:
    assert json.loads(Point.parse({"x": x}).canonical_json())["x"] == x


def test_canonical_json_is_sorted_without_white_space_and_plain_unicode() -> None:
    assert Point(x=1, y=0.5, label="é").canonical_json() == '{"label":"é","x":1.0,"y":0.5}'


def test_models_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Point().x = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="x is"):
        Point.parse({"x": value})


@pytest.mark.parametrize("data", [None, "text", 3, ["x"]])
def test_data_that_are_no_mapping_are_refused_by_name(data: Any) -> None:
    with pytest.raises(InputError, match=r"^spec\.yaml: .* is no Point; give a mapping"):
        Point.parse(data, "spec.yaml")


def test_digest_of_the_default_rotation_spec_has_not_moved() -> None:
    # A new value here renames every data set in the world: raise SCHEMA_VERSION and tell the changelog.
    assert RenderSpec.parse({"property": "rotation"}).digest == DEFAULT_ROTATION_DIGEST


def test_digest_is_the_same_through_yaml_json_and_canonical_json() -> None:
    spec = RenderSpec.parse(
        {"property": {"kind": "mixed"}, "noise": {"ratio": 1e-3, "drift": [0.1, -0.2]}, "seed": 2**64 - 1}
    )
    as_data = spec.model_dump(mode="json")
    assert RenderSpec.parse(yaml.safe_load(yaml.safe_dump(as_data))).digest == spec.digest
    assert RenderSpec.parse(json.loads(json.dumps(as_data))).digest == spec.digest
    assert RenderSpec.parse(json.loads(spec.canonical_json())).digest == spec.digest
