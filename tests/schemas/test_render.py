"""RenderSpec: what it accepts, what it refuses in which words, and which spellings are the same data set."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import InputError, RenderSpec
from schemas.render import MAX_PIXELS, MIN_SPRITES_FOR_SPLITS, SPLIT_CYCLE

PROPERTIES = ("translation", "rotation", "intensity", "mixed")
SHA = "0" * 64
SPRITES = {"count": 10, "height": 8, "width": 8, "sha256": SHA}
KINDS_OF_PROPERTY = "intensity, mixed, rotation, translation"


def spec(**fields: Any) -> RenderSpec:
    return RenderSpec.parse({"property": "rotation", **fields})


@pytest.mark.parametrize("name", PROPERTIES)
def test_property_by_name_is_the_property_with_its_defaults(name: str) -> None:
    assert RenderSpec.parse({"property": name}).digest == RenderSpec.parse({"property": {"kind": name}}).digest


@pytest.mark.parametrize("name", PROPERTIES)
def test_default_given_explicitly_is_the_same_data_set(name: str) -> None:
    short = RenderSpec.parse({"property": name})
    assert RenderSpec.parse(short.model_dump(mode="json")).digest == short.digest


def explicit_defaults() -> list[tuple[str, Any]]:
    return list(spec().model_dump(mode="json").items())


@pytest.mark.parametrize(("field", "value"), explicit_defaults())
def test_each_default_given_alone_is_the_same_data_set(field: str, value: Any) -> None:
    assert spec(**{field: value}).digest == spec().digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("noise: {ratio: 1}", "noise: {ratio: 1.0}"),
        ("noise: {ratio: 7e-1}", "noise: {ratio: 0.7}"),  # YAML 1.1 reads 7e-1 as a text
        ("noise: {drift: [-0.0, 0]}", "noise: {drift: [0, 0]}"),
        ("frames: 12.0", "frames: 12"),
        ("truth: [mask, clean]", "truth: [clean, mask]"),
        ("truth: [mask, mask]", "truth: [mask]"),
        ("splits:", "splits: null"),
        ("height: 64\nwidth: 32", "{width: 32, height: 64}"),
    ],
)
def test_two_spellings_of_one_spec_have_one_digest(one: str, other: str) -> None:
    assert spec(**yaml.safe_load(one)).digest == spec(**yaml.safe_load(other)).digest


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"frames": 11},
        {"height": 64},
        {"width": 64},
        {"dtype": "float32"},
        {"objects": {"count": [1, 2]}},
        {"texture": {"contrast": [0.4, 0.7]}},
        {"property": "translation"},
        {"property": {"kind": "rotation", "pivot": "orbit"}},
        {"noise": {"ratio": 0}},
        {"noise": {"octaves": 3}},
        {"truth": ["flow"]},
        {"splits": {"train": 1, "validation": 1, "test": 1}},
    ],
)
def test_every_field_moves_the_digest(change: dict[str, Any]) -> None:
    assert spec(**change).digest != spec().digest


@pytest.mark.parametrize(
    "fields",
    [
        {"seed": 0},
        {"seed": 2**64 - 1},
        {"frames": 1, "height": 1, "width": 1},
        {"height": 17, "width": 33},
        {"frames": 1, "height": 4096, "width": 4096},
        {"height": 1, "width": 4096, "noise": {"octaves": 8}},
        {"noise": {"ratio": 0, "gaussian": 0, "white": 0, "perlin": 0}},
        {"objects": {"count": [2, 2]}},
        {"objects": {"kinds": ["sprite"]}, "sprites": SPRITES},
        {"noise": {"gaussian": 0, "white": 1e-4, "cell": 1e-3, "octaves": 8, "cell_frames": 1e-4}},
        {"objects": {"size": [1e-4, 10]}, "texture": {"wavelength": [1e-4, 10]}},
    ],
)
def test_edges_of_the_ranges_are_accepted(fields: dict[str, Any]) -> None:
    assert spec(**fields).digest


RANGE_OF_RATIO = "a number from 0 to 100, e.g. 0 (no noise) or 0.26 or 0.7"
REFUSED: list[tuple[dict[Any, Any], str]] = [
    ({"property": "spin"}, f"property.kind is spin; give one of {KINDS_OF_PROPERTY}"),
    ({"property": {"kind": "spin"}}, f"property.kind is spin; give one of {KINDS_OF_PROPERTY}"),
    ({"property": {"speed": [0, 1]}}, f"property.kind is missing; give one of {KINDS_OF_PROPERTY}"),
    ({"property": None}, f"property is None; give one of {KINDS_OF_PROPERTY}"),
    ({"frames": 0}, "frames is 0; give a whole number from 1 to 4096"),
    ({"frames": 1.5}, "frames is 1.5; give a whole number from 1 to 4096"),
    ({"frames": "ten"}, "frames is ten; give a whole number from 1 to 4096"),
    ({"frames": None}, "frames is None; give a whole number from 1 to 4096"),
    ({"frames": " "}, "frames is empty; give a whole number from 1 to 4096"),
    ({"height": -3}, "height is -3; give a whole number from 1 to 4096"),
    ({"width": 4097}, "width is 4097; give a whole number from 1 to 4096"),
    (
        {"height": 4096, "width": 4096},
        f"a sequence of 10x4096x4096 has 167772160 pixels; give at most {MAX_PIXELS}",
    ),
    ({"dtype": "int8"}, "dtype is int8; give one of uint8, float16, float32"),
    ({"seed": -1}, "seed is -1; give a whole number from 0 to 18446744073709551615"),
    ({"seed": 2**64}, "seed is 18446744073709551616; give a whole number from 0 to 18446744073709551615"),
    ({"schema_version": 2}, "schema_version is 2; give 1"),
    ({"noise": {"ratio": -0.2}}, f"noise.ratio is -0.2; give {RANGE_OF_RATIO}"),
    ({"noise": {"ratio": 100.5}}, f"noise.ratio is 100.5; give {RANGE_OF_RATIO}"),
    ({"noise": {"ratio": float("nan")}}, f"noise.ratio is nan; give {RANGE_OF_RATIO}"),
    ({"noise": {"ratio": float("inf")}}, f"noise.ratio is inf; give {RANGE_OF_RATIO}"),
    ({"noise": {"octaves": 9}}, "noise.octaves is 9; give a whole number from 1 to 8"),
    ({"noise": {"cell": 0}}, "noise.cell is 0; give a number from 0.001 to 4"),
    ({"noise": {"cell": 1e-6}}, "noise.cell is 1e-06; give a number from 0.001 to 4"),
    (
        {"height": 1, "width": 4096, "noise": {"cell": 1e-3}},
        "noise.cell is 0.001, too fine for 4 octaves on 1x4096 px; give 0.015625 or more, or fewer octaves",
    ),
    ({"noise": {"cell_frames": 1e-300}}, "noise.cell_frames is 1e-300; give a number from 0.0001 to 4096"),
    ({"noise": {"drift": [0, 2]}}, "noise.drift[1] is 2; give a number from -1 to 1"),
    ({"noise": {"drift": [0]}}, "noise.drift[1] is missing; give a number from -1 to 1"),
    ({"noise": {"ratoi": 0.2}}, "noise.ratoi is no known field; did you mean ratio?"),
    (
        {"objects": 3},
        "objects is 3; give a mapping with the fields count, kinds, size, line_width, intensity",
    ),
    ({"objects": {"count": 3}}, "objects.count is 3; give 2 values: [low, high], each a whole number from 1 to 16"),
    ({"objects": {"count": [0, 3]}}, "objects.count[0] is 0; give a whole number from 1 to 16"),
    ({"objects": {"count": [3, 1]}}, "objects.count is [3, 1]; give [low, high] with low <= high, e.g. [1, 3]"),
    ({"objects": {"size": [0, 1]}}, "objects.size[0] is 0; give a number from 0.0001 to 10"),
    ({"objects": {"size": [1e-200, 1]}}, "objects.size[0] is 1e-200; give a number from 0.0001 to 10"),
    ({"texture": {"wavelength": [1e-300, 1]}}, "texture.wavelength[0] is 1e-300; give a number from 0.0001 to 10"),
    (
        {"objects": {"kinds": []}},
        "objects.kinds is []; give a list of 1 or more, each one of circle, line, polygon, sprite",
    ),
    ({"objects": {"kinds": ["cube"]}}, "objects.kinds[0] is cube; give one of circle, line, polygon, sprite"),
    ({"objects": {"kinds": ["line", "line"]}}, "objects.kinds is ['line', 'line']; give each name once"),
    ({"truth": "flow"}, "truth is flow; give a list, each one of clean, flow, mask, property_mask"),
    ({"truth": ["flows"]}, "truth[0] is flows; give one of clean, flow, mask, property_mask"),
    ({"sed": 1}, "sed is no known field; did you mean seed?"),
    ({1: 2}, "1 is no known field; give names as text"),
    (
        {"property": {"kind": "translation", "angular_velocity": [0, 1]}},
        "property.angular_velocity is no known field; known fields: kind, speed, acceleration, jerk",
    ),
    (
        {"property": {"kind": "mixed", "rotation": {"angular_velocity": [0, 9]}}},
        "property.rotation.angular_velocity[1] is 9; give a number from 0 to 3.2",
    ),
    (
        {"property": {"kind": "mixed", "assignments": [["rotation"], ["spin"]]}},
        "property.assignments[1][0] is spin; give one of translation, rotation, intensity",
    ),
    (
        {"property": {"kind": "intensity", "kernel_width": [3, 4]}},
        "property.kernel_width is [3, 4]; give odd widths from 3 to 7, e.g. [3, 7]",
    ),
    ({"splits": {"train": 1}}, "splits.validation is missing; give a whole number from 1 to 1099511627776"),
    (
        {"objects": {"kinds": ["sprite"]}, "sprites": SPRITES | {"sha256": "xx"}},
        "sprites.sha256 is xx; give a text that matches ^[0-9a-f]{64}$",
    ),
    (
        {"objects": {"kinds": ["sprite"]}},
        "objects.kinds has `sprite` if and only if sprites are given; give both or neither",
    ),
    ({"sprites": SPRITES}, "objects.kinds has `sprite` if and only if sprites are given; give both or neither"),
    (
        {
            "objects": {"kinds": ["sprite"]},
            "sprites": SPRITES | {"count": MIN_SPRITES_FOR_SPLITS - 1},
            "splits": {"train": 1, "validation": 1, "test": 1},
        },
        "8 sprites leave a split without any; give 9 or more",
    ),
    (
        {"objects": {"kinds": ["sprite"], "size": [1e-3, 0.2]}, "sprites": SPRITES | {"width": 512}},
        "objects.size[0] is 0.001, too small for these sprites on 128 px; give 0.001953125 or more",
    ),
    ({"seed": True}, "seed is true or false; no field of a spec is"),
    ({"objects": {"count": [True, 3]}}, "objects.count[0] is true or false; no field of a spec is"),
    ({"sed": True}, "sed is no known field; did you mean seed?"),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_refusal_names_field_value_and_what_would_be_right(fields: dict[Any, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        RenderSpec.parse({"property": "rotation"} | fields)
    assert str(error.value) == message


@pytest.mark.parametrize("gaussian", [0, 1e-50])
def test_weights_that_are_all_next_to_zero_are_refused_when_noise_is_asked_for(gaussian: float) -> None:
    with pytest.raises(
        InputError,
        match=r"^noise is .*; all three weights are 0 or next to it; give one of 0\.0001 or more, or ratio 0",
    ):
        spec(noise={"gaussian": gaussian, "white": 0, "perlin": 0})
    assert spec(noise={"gaussian": gaussian, "white": 1, "perlin": 0}).digest


def test_missing_property_is_named_with_its_choices() -> None:
    with pytest.raises(InputError, match=f"^property is missing; give one of {KINDS_OF_PROPERTY}$"):
        RenderSpec.parse({})


@given(st.text(min_size=1))
def test_refusal_is_one_line_whatever_the_value(text: str) -> None:
    with pytest.raises(InputError) as error:
        spec(dtype=text + "?")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 150


@settings(max_examples=50)
@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_any_mapping_is_parsed_or_refused_with_one_line(data: dict[str, Any]) -> None:
    for fields in (data, {"property": data}, {"property": "mixed", "noise": data}):
        message = ""
        try:
            RenderSpec.parse(fields)
        except InputError as error:
            message = str(error)
        assert message.isprintable()


def test_smallest_sprite_set_with_splits_has_a_sprite_for_each_split() -> None:
    def served(count: int) -> set[str]:
        return {SPLIT_CYCLE[sprite % len(SPLIT_CYCLE)] for sprite in range(count)}

    assert served(MIN_SPRITES_FOR_SPLITS) == {"train", "validation", "test"} != served(MIN_SPRITES_FOR_SPLITS - 1)
