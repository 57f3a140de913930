"""Options in place of a spec's fields: parsed strictly, merged into what is there."""

import pytest

from datagen.overrides import NOISES, TRUTH_ARRAYS, Overrides, parsed_mix, parsed_truth
from schemas.errors import InputError
from schemas.render import Noise


def test_no_option_changes_nothing() -> None:
    fields = {"property": "rotation", "noise": {"ratio": 0.3}, "frames": 7}
    assert Overrides().applied_to(fields) == fields


def test_given_fields_are_left_as_they_were() -> None:
    fields = {"noise": {"ratio": 0.3}}
    Overrides(noise_ratio=0.1, frames=3, property="rotation").applied_to(fields)
    assert fields == {"noise": {"ratio": 0.3}}


@pytest.mark.parametrize("given", ["rotation", {"kind": "rotation", "pivot": "orbit"}])
def test_same_property_keeps_the_ranges_of_the_file(given: object) -> None:
    assert Overrides(property="rotation").applied_to({"property": given})["property"] == given


def test_another_property_replaces_the_ranges_of_the_file() -> None:
    fields = {"property": {"kind": "translation", "speed": [0, 1]}}
    assert Overrides(property="rotation").applied_to(fields) == {"property": {"kind": "rotation"}}


@pytest.mark.parametrize("value", [0, 0.0])
def test_zero_is_a_value(value: float) -> None:
    changed = Overrides(seed=0, noise_ratio=value).applied_to({"seed": 5, "noise": {"ratio": 0.7, "white": 2}})
    assert changed == {"seed": 0, "noise": {"ratio": 0, "white": 2}}


def test_noise_that_a_mixture_does_not_name_gets_weight_zero() -> None:
    changed = Overrides(noise_mix={"perlin": 2}).applied_to({"noise": {"gaussian": 3, "octaves": 2}})
    assert changed["noise"] == {"gaussian": 0, "white": 0, "perlin": 2, "octaves": 2}


def test_fields_of_the_wrong_type_are_left_for_the_model_to_refuse() -> None:
    assert Overrides(noise_ratio=0.1).applied_to({"noise": 5}) == {"noise": 5}


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("gaussian=1,perlin=2", {"gaussian": 1, "perlin": 2}),
        (" white = 0.5 ", {"white": 0.5}),
        ("gaussian=1e-1", {"gaussian": 0.1}),
    ],
)
def test_mixture_names_its_weights(text: str, weights: dict[str, float]) -> None:
    assert parsed_mix(text) == weights


@pytest.mark.parametrize("text", ["", "1,1,1", "perlin", "perlin=", "pink=1", "white=1,white=2", "white=a", "white=1,"])
def test_anything_else_is_no_mixture(text: str) -> None:
    with pytest.raises(InputError, match=r"is no mixture; give weights of gaussian, white, perlin, e\.g\. gaussian=1"):
        parsed_mix(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("clean,flow", ("clean", "flow")),
        ("mask", ("mask",)),
        ("all", TRUTH_ARRAYS),
        ("none", ()),
        ("a", None),
        ("", None),
    ],
)
def test_truth_is_named_array_by_array_or_all_or_none(text: str, names: tuple[str, ...] | None) -> None:
    if names is None:
        with pytest.raises(InputError, match="is no truth array; give some of clean, flow, mask, property_mask"):
            parsed_truth(text)
    else:
        assert parsed_truth(text) == names


def test_the_noises_of_a_mixture_are_the_fields_that_weight_one() -> None:
    weights = {name for name, field in Noise.model_fields.items() if field.description == "relative weight"}
    assert set(NOISES) == weights
