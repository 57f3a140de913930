"""What is drawn: every range kept, uniformly; the same at any frame size; exact to the bit on every machine."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import typeof
from numpy.typing import NDArray
from scipy import stats

from datagen.rendering.drawing import plan_of
from datagen.rendering.sequence import Renderer
from datagen.storage.sprites import sprite_set
from schemas.render import SPLIT_CYCLE, RenderSpec
from schemas.store import OBJECT_KINDS, SPLIT_VALUES, table_layouts
from tests.golden.make_rendering import PARAMETER_SPECS, PARAMETERS, table_digest
from tests.reference.kinematics import motion
from tests.reference.parameters import Columns
from tests.reference.specs import spec_of

Array = NDArray[Any]
ROUNDING = 1e-9
"""Relative; values at the middle of the sequence are worked out again from those at t = 0."""
CHANCE = 1e-4
"""A test of uniformity may fail by chance this often over seeds; the seeds are fixed."""
PIXELS = (
    "size",
    "line_width",
    "vertices",
    "texture_wavelength",
    "position",
    "velocity",
    "acceleration",
    "jerk",
    "pivot",
    "kernel_sigma",
)
"""Columns in px: they scale with the frame."""
SHAPE_COLUMNS = (
    "kind",
    "size",
    "line_width",
    "vertex_count",
    "vertices",
    "angle",
    "texture_contrast",
    "texture_wavelength",
    "texture_direction",
    "texture_phase",
)


def table(spec: RenderSpec, count: int, start: int = 0, sprites: Array | None = None) -> dict[str, Array]:
    """Draw parameters alone: no pixel is computed."""
    layouts = {layout.name: layout for layout in table_layouts(spec) if layout.name != "noise_ratio_measured"}
    columns = {name: np.empty((count, *layout.shape), layout.dtype) for name, layout in layouts.items()}
    Renderer(spec, sprites).render_into(start, columns)
    return columns


def drawn_objects(spec: RenderSpec, count: int) -> dict[str, Array]:
    """Return the columns of all objects of many sequences, in one row each."""
    columns = table(spec, count)
    drawn = columns["kind"] > 0
    return {name: column[drawn] for name, column in columns.items() if column.shape[:2] == drawn.shape}


def at_middle(columns: Columns, names: Iterable[str], frames: int) -> Array:
    """Return a motion's values and derivatives at the middle of the sequence: (derivative, object)."""
    q = [columns[name] for name in names]
    middle = (frames - 1) / 2
    path = [motion(*values) for values in zip(*q, strict=True)]
    return np.array([[p.deriv(order)(middle) if order else p(middle) for p in path] for order in range(4)])


def in_range(values: Array, low: float, high: float) -> bool:
    slack = ROUNDING * max(abs(low), abs(high), 1.0)
    return bool(values.min() >= low - slack and values.max() <= high + slack)


def is_uniform(values: Array, low: float, high: float) -> bool:
    """Return whether values fill [low, high] evenly (Kolmogorov-Smirnov)."""
    return bool(stats.kstest(values, "uniform", (low, high - low)).pvalue > CHANCE)


def are_equally_likely(values: Array, choices: Iterable[int]) -> bool:
    """Return whether whole numbers are drawn equally often and none beside them (chi-squared)."""
    counts = [int(np.sum(values == choice)) for choice in choices]
    assert sum(counts) == len(values)
    return bool(stats.chisquare(counts).pvalue > CHANCE)


@pytest.mark.parametrize("name", PARAMETER_SPECS)
def test_parameters_are_the_golden_ones_to_the_bit(name: str) -> None:
    # This may hold on every machine: drawing uses whole numbers and IEEE 754's +, -, *, / and square root alone, which
    # every processor rounds alike; no sine, exponential or logarithm; and Numba never fuses a product and a sum.
    golden = json.loads(PARAMETERS.read_text())
    assert table_digest(name) == golden[name]


def test_golden_specs_are_all_in_the_file() -> None:
    assert set(json.loads(PARAMETERS.read_text())) == set(PARAMETER_SPECS)


@pytest.mark.parametrize("name", PARAMETER_SPECS)
def test_spec_read_from_json_runs_the_kernels_that_the_defaults_compiled(name: str) -> None:
    spec = PARAMETER_SPECS[name]
    again = RenderSpec.model_validate_json(spec.canonical_json())
    assert typeof(plan_of(again)) == typeof(plan_of(spec)) == typeof(plan_of(spec_of("rotation")))


@pytest.mark.parametrize("changes", ["translation", "rotation", {"kind": "rotation", "pivot": "orbit"}, "mixed"])
def test_parameters_are_fractions_of_the_frame(changes: Any) -> None:
    # Twice is exact in binary, so the doubled table is equal to the bit.
    small, large = (table(spec_of(changes, height=side, width=side), 50) for side in (64, 128))
    for name, column in small.items():
        factor = 2 if name in PIXELS else 1
        np.testing.assert_array_equal(factor * column, large[name], err_msg=name)


def test_shorter_side_is_the_measure() -> None:
    wide, tall, square = (
        drawn_objects(spec_of("translation", height=height, width=width), 50)
        for height, width in ((32, 80), (80, 32), (32, 32))
    )
    for name in ("size", "vertices", "velocity", "acceleration", "jerk", "texture_wavelength"):
        np.testing.assert_array_equal(wide[name], square[name])
        np.testing.assert_array_equal(tall[name], square[name])


def test_shapes_have_the_sizes_asked_for() -> None:
    spec = spec_of("rotation", height=64, width=64, objects={"size": (0.1, 0.3), "line_width": (0.2, 0.5)})
    drawn = drawn_objects(spec, 1500)
    assert is_uniform(drawn["size"], 6.4, 19.2)
    lines = drawn["kind"] == OBJECT_KINDS["line"]
    assert is_uniform(drawn["line_width"][lines] / drawn["size"][lines], 0.2, 0.5)
    assert not drawn["line_width"][~lines].any()
    reach = np.hypot(drawn["vertices"][..., 0], drawn["vertices"][..., 1]).max(axis=1)
    polygons = drawn["kind"] == OBJECT_KINDS["polygon"]
    assert np.all(reach[polygons] > 0.4 * drawn["size"][polygons])
    assert np.all(reach[polygons] < 1.6 * drawn["size"][polygons])
    assert not reach[~polygons].any()


def test_kinds_and_vertex_counts_are_equally_likely() -> None:
    drawn = drawn_objects(spec_of("rotation"), 2000)
    assert are_equally_likely(drawn["kind"], (1, 2, 3))
    polygons = drawn["kind"] == OBJECT_KINDS["polygon"]
    assert are_equally_likely(drawn["vertex_count"][polygons], range(3, 9))
    assert not drawn["vertex_count"][~polygons].any()


@pytest.mark.parametrize("count", [(1, 1), (1, 3), (2, 5), (16, 16)])
def test_number_of_objects_is_any_in_its_range(count: tuple[int, int]) -> None:
    columns = table(spec_of("rotation", objects={"count": count}), 1000)
    present = columns["kind"] > 0
    objects = present.sum(axis=1)
    assert present.shape == (1000, count[1])
    assert are_equally_likely(objects, range(count[0], count[1] + 1)) or count[0] == count[1]
    # Objects come first in the table, without gaps.
    np.testing.assert_array_equal(present, np.arange(count[1]) < objects[:, None])


def test_texture_keeps_its_ranges() -> None:
    drawn = drawn_objects(spec_of("rotation", texture={"contrast": (0.3, 0.9), "wavelength": (0.5, 2.5)}), 1500)
    assert is_uniform(drawn["texture_contrast"], 0.3, 0.9)
    assert is_uniform(drawn["texture_wavelength"] / drawn["size"], 0.5, 2.5)
    assert is_uniform(drawn["texture_phase"], 0, 1)
    assert is_uniform(drawn["intensity"], 0.6, 1.0)
    assert is_uniform(drawn["angle"], 0, 2 * np.pi)


@pytest.mark.parametrize("frames", [1, 2, 10, 21])
def test_translation_has_its_ranges_at_the_middle_frame(frames: int) -> None:
    changes = {"kind": "translation", "speed": (0.01, 0.05), "acceleration": (0.001, 0.004), "jerk": (0.0001, 0.0006)}
    spec = spec_of(changes, frames=frames, height=50, width=80)
    drawn = drawn_objects(spec, 400)
    names = ("position", "velocity", "acceleration", "jerk")
    x, y = (at_middle({n: drawn[n][:, axis] for n in names}, names, frames) for axis in range(2))
    for order, (low, high) in enumerate([(0.5, 2.5), (0.05, 0.2), (0.005, 0.03)], start=1):
        assert is_uniform(np.hypot(x[order], y[order]), low, high), names[order]
        assert is_uniform(np.arctan2(y[order], x[order]), -np.pi, np.pi), names[order]
    for name in ("angular_velocity", "angular_acceleration", "angular_jerk", "pivot", "kernel_width"):
        assert not drawn[name].any()
    assert np.all(drawn["growth"] == 1)


@pytest.mark.parametrize("frames", [1, 10])
def test_rotation_has_its_ranges_at_the_middle_frame_either_way(frames: int) -> None:
    drawn = drawn_objects(spec_of("rotation", frames=frames), 1500)
    names = ("angle", "angular_velocity", "angular_acceleration", "angular_jerk")
    _, *derivatives = at_middle(drawn, names, frames)
    for values, (low, high) in zip(derivatives, [(0.05, 0.35), (0, 0.03), (0, 0.005)], strict=True):
        assert is_uniform(np.abs(values), low, high)
        assert stats.binomtest(int(np.sum(values > 0)), len(values)).pvalue > CHANCE
    signs = np.sign(derivatives[0]) * np.sign(derivatives[1])
    assert stats.binomtest(int(np.sum(signs > 0)), len(signs)).pvalue > CHANCE
    for name in ("velocity", "acceleration", "jerk", "pivot"):
        assert not drawn[name].any()


def test_orbit_has_its_radius_in_any_direction() -> None:
    spec = spec_of({"kind": "rotation", "pivot": "orbit", "orbit_radius": (0.1, 0.25)}, height=40, width=60)
    x, y = drawn_objects(spec, 1500)["pivot"].T
    assert is_uniform(np.hypot(x, y), 4, 10)
    assert is_uniform(np.arctan2(y, x), -np.pi, np.pi)


def test_growth_keeps_its_ranges() -> None:
    changes = {
        "kind": "intensity",
        "growth": (1.1, 1.3),
        "decay": (0.7, 0.9),
        "growth_share": 0.25,
        "kernel_width": (3, 7),
        "spread": (0.01, 0.03),
        "anisotropy": (1, 3),
    }
    drawn = drawn_objects(spec_of(changes, height=100, width=100, objects={"count": (1, 1)}), 3000)
    grows = drawn["growth"] > 1
    assert stats.binomtest(int(grows.sum()), len(grows), 0.25).pvalue > CHANCE
    assert is_uniform(drawn["growth"][grows], 1.1, 1.3)
    assert is_uniform(drawn["growth"][~grows], 0.7, 0.9)
    assert are_equally_likely(drawn["kernel_width"], (3, 5, 7))
    along, across = drawn["kernel_sigma"].T
    assert is_uniform(across, 1, 3)
    assert is_uniform(along / across, 1, 3)
    x, y = drawn["kernel_direction"].T
    assert is_uniform(np.arctan2(y, x), -np.pi, np.pi)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_growth_share_of_0_or_1_leaves_no_choice(share: float) -> None:
    growth = drawn_objects(spec_of({"kind": "intensity", "growth_share": share}), 500)["growth"]
    assert np.all(growth > 1) if share else np.all(growth < 1)


@pytest.mark.parametrize("frames", [1, 3, 10])
def test_intensity_is_the_largest_of_the_sequence_for_growth_and_decay(frames: int) -> None:
    changes = {"kind": "intensity", "growth": (1.05, 1.1)}
    drawn = drawn_objects(spec_of(changes, frames=frames, objects={"intensity": (0.6, 0.9)}), 1000)
    largest = drawn["intensity"] * np.maximum(drawn["growth"], 1) ** (frames - 1)
    assert in_range(largest, 0.6, 0.9)


def test_long_growth_starts_visible() -> None:
    changes = {"kind": "intensity", "growth": (1.5, 1.5), "growth_share": 1}
    drawn = drawn_objects(spec_of(changes, frames=64, height=8, width=8), 200)
    # Without the bound they would start at 0.6 / 1.5^63, which is black for fifty frames.
    assert drawn["intensity"].min() > 0.05


FIXED = {
    "objects": {"count": (2, 2), "size": (0.2, 0.2), "line_width": (0.3, 0.3), "intensity": (0.7, 0.7)},
    "texture": {"contrast": (0.5, 0.5), "wavelength": (1.25, 1.25)},
    "property": {
        "kind": "mixed",
        "assignments": [["translation", "rotation", "intensity"]],
        "translation": {"speed": (0.02, 0.02), "acceleration": (0.003, 0.003), "jerk": (0.0005, 0.0005)},
        "rotation": {
            "pivot": "orbit",
            "angular_velocity": (0.2, 0.2),
            "angular_acceleration": (0.01, 0.01),
            "angular_jerk": (0.002, 0.002),
            "orbit_radius": (0.125, 0.125),
        },
        "intensity": {
            "growth": (1.25, 1.25),
            "growth_share": 1,
            "kernel_width": (5, 5),
            "spread": (0.01, 0.01),
            "anisotropy": (2, 2),
        },
    },
}


def test_empty_range_is_its_one_value() -> None:
    spec = RenderSpec.model_validate({**FIXED, "height": 64, "width": 64, "frames": 1})
    drawn = drawn_objects(spec, 100)
    expected = {
        "size": 12.8,
        "intensity": 0.7,
        "texture_contrast": 0.5,
        "texture_wavelength": 16,
        "growth": 1.25,
        "kernel_width": 5,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(drawn[name], value, rtol=1e-15, err_msg=name)
    lengths = {"velocity": 1.28, "acceleration": 0.192, "jerk": 0.032, "pivot": 8.0}
    for name, value in lengths.items():
        np.testing.assert_allclose(np.hypot(*drawn[name].T), value, rtol=1e-14, err_msg=name)
    for name, value in {"angular_velocity": 0.2, "angular_acceleration": 0.01, "angular_jerk": 0.002}.items():
        np.testing.assert_allclose(np.abs(drawn[name]), value, rtol=1e-15, err_msg=name)
    np.testing.assert_allclose(drawn["kernel_sigma"], [[1.28, 0.64]] * 200, rtol=1e-15)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (16, 60), (64, 64)])
@pytest.mark.parametrize("frames", [1, 10])
@pytest.mark.parametrize("changes", ["translation", "rotation", {"kind": "rotation", "pivot": "orbit"}, "mixed"])
def test_middle_of_the_trajectory_lies_inside_the_frame(changes: Any, frames: int, shape: tuple[int, int]) -> None:
    height, width = shape
    drawn = drawn_objects(spec_of(changes, frames=frames, height=height, width=width), 150)
    names = ("position", "velocity", "acceleration", "jerk")
    pivot = [
        at_middle({n: drawn[n][:, axis] for n in names}, names, frames)[0] + drawn["pivot"][:, axis]
        for axis in range(2)
    ]
    assert in_range(pivot[0], 0, width)
    assert in_range(pivot[1], 0, height)
    # Where the frame has room for the whole object and its orbit, all of it lies inside.
    reach = drawn["size"] + np.hypot(*drawn["pivot"].T)
    for values, length in zip(pivot, (width, height), strict=True):
        fits = 2 * (drawn["size"] + np.abs(drawn["pivot"]).sum(axis=1)) <= length
        assert np.all(values[fits] >= reach[fits] - 1e-9)
        assert np.all(values[fits] <= length - reach[fits] + 1e-9)


def test_positions_fill_the_frame() -> None:
    drawn = drawn_objects(spec_of("rotation", height=40, width=90, objects={"size": (0.1, 0.1)}), 1500)
    assert is_uniform(drawn["position"][:, 0], 4, 86)
    assert is_uniform(drawn["position"][:, 1], 4, 36)


def test_mixed_draws_each_of_the_seven_combinations_as_often() -> None:
    assert are_equally_likely(drawn_objects(spec_of("mixed"), 2000)["property"], range(1, 8))


def test_assignments_are_dealt_to_the_objects_in_turn() -> None:
    assignments = [["translation"], ["rotation", "intensity"], ["intensity"]]
    spec = spec_of({"kind": "mixed", "assignments": assignments}, objects={"count": (5, 5)})
    np.testing.assert_array_equal(table(spec, 20)["property"], [[1, 6, 4, 1, 6]] * 20)


@pytest.mark.parametrize(("name", "bits"), [("translation", 1), ("rotation", 2), ("intensity", 4)])
def test_every_object_of_a_basic_property_has_it(name: str, bits: int) -> None:
    assert np.all(drawn_objects(spec_of(name), 100)["property"] == bits)


@given(seed=st.integers(0, 2**64 - 1), start=st.integers(0, 2**63 - 20))
@settings(max_examples=25)
def test_shapes_and_textures_do_not_depend_on_how_they_change(seed: int, start: int) -> None:
    # Each purpose has a stream of its own: another property moves no bit of the shapes.
    tables = [table(spec_of(name, seed=seed), 3, start) for name in ("translation", "rotation", "intensity", "mixed")]
    for name in SHAPE_COLUMNS:
        for other in tables[1:]:
            np.testing.assert_array_equal(tables[0][name], other[name], err_msg=name)


def test_more_possible_objects_leave_the_first_ones_as_they_were() -> None:
    few, many = (table(spec_of("rotation", objects={"count": (count, count)}), 30) for count in (2, 6))
    for name, column in few.items():
        if column.ndim > 1:
            np.testing.assert_array_equal(column, many[name][:, :2], err_msg=name)


def test_every_seed_and_every_index_is_another_draw() -> None:
    spec = spec_of("mixed", seed=0)
    sizes = table(spec, 2000)["size"][:, 0]
    assert len(np.unique(sizes)) == 2000
    far = [table(spec, 1, start)["size"][0, 0] for start in (2**31, 2**32, 2**33, 2**40, 2**62, 2**63 - 1)]
    seeds = [table(spec_of("mixed", seed=seed), 1)["size"][0, 0] for seed in (1, 2**32, 2**32 + 1, 2**63, 2**64 - 1)]
    assert len({*far, *seeds, *sizes}) == 2000 + len(far) + len(seeds)


def test_consecutive_sequences_and_objects_are_independent() -> None:
    size = table(spec_of("rotation", objects={"count": (2, 2)}), 4000)["size"]
    bound = 4 / np.sqrt(4000)
    assert abs(np.corrcoef(size[:-1, 0], size[1:, 0])[0, 1]) < bound
    assert abs(np.corrcoef(size[:, 0], size[:, 1])[0, 1]) < bound


SPRITES = np.random.default_rng(0).integers(0, 256, (37, 4, 3), dtype=np.uint8)
"""37 is no multiple of the cycle of ten by which sprites are dealt."""


def sprite_spec(sprites: Array = SPRITES, **fields: Any) -> RenderSpec:
    return spec_of(
        "translation", height=16, width=16, objects={"kinds": ["sprite"]}, sprites=sprite_set(sprites), **fields
    )


def test_sprites_are_equally_likely_and_upright() -> None:
    columns = table(sprite_spec(), 2000, sprites=SPRITES)
    drawn = columns["kind"] > 0
    assert are_equally_likely(columns["sprite"][drawn], range(37))
    assert np.all(columns["sprite"][~drawn] == -1)
    assert not columns["angle"].any()


@pytest.mark.parametrize("count", [9, 10, 11, 17, 37])
def test_splits_share_no_sprite_and_use_all_of_theirs(count: int) -> None:
    sprites = SPRITES[:count]
    splits = {"train": 400, "validation": 200, "test": 200}
    columns = table(sprite_spec(sprites, splits=splits), 1500, sprites=sprites)
    for name, value in SPLIT_VALUES.items():
        seen = columns["sprite"][columns["split"] == value]
        serving = [sprite for sprite in range(count) if SPLIT_CYCLE[sprite % 10] == name]
        assert set(np.unique(seen[seen >= 0])) == set(serving)


def test_split_is_the_place_of_the_number_and_the_last_is_open_ended() -> None:
    spec = spec_of("rotation", splits={"train": 5, "validation": 3, "test": 2})
    np.testing.assert_array_equal(table(spec, 12)["split"], [0] * 5 + [1] * 3 + [2] * 4)
    np.testing.assert_array_equal(table(spec, 4, start=3)["split"], [0, 0, 1, 1])
    assert np.all(table(spec, 3, start=2**63 - 3)["split"] == 2)
    assert "split" not in table(spec_of("rotation"), 1)


def test_splits_do_not_change_what_is_drawn_but_the_sprite() -> None:
    plain = table(sprite_spec(), 40, sprites=SPRITES)
    split = table(sprite_spec(splits={"train": 10, "validation": 10, "test": 10}), 40, sprites=SPRITES)
    for name, column in plain.items():
        if name != "sprite":
            np.testing.assert_array_equal(column, split[name], err_msg=name)
    assert np.any(plain["sprite"] != split["sprite"])
