"""Coverage is that of the exact shape, to the sub-pixel; sprites are sampled, not copied."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from datagen.rendering.parameters import VERTEX_COUNT, VERTICES
from datagen.rendering.sequence import Renderer
from datagen.rendering.shapes import cover_row, extent
from datagen.storage.sprites import sprite_set
from tests.reference import shapes
from tests.reference.kinematics import turn
from tests.reference.parameters import columns_of, row_of
from tests.reference.specs import spec_of

Array = NDArray[Any]
SIDE = 48
FLOAT32 = 2e-5
"""Rounding of distances of up to 70 px in float32."""
NO_SPRITE = np.zeros((1, 1), np.uint8)

centres = st.tuples(st.floats(20, 28), st.floats(20, 28))
angles = st.floats(-7, 7)
STAR = [(12, 0), (3, 3), (0, 11), (-4, 2), (-10, -6), (1, -4)]


def object_grid(centre: tuple[float, float], angle: float, side: int = SIDE) -> tuple[Array, Array]:
    y, x = np.mgrid[:side, :side] + 0.5
    u, v = np.einsum("ij,jyx->iyx", turn(-angle), [x - centre[0], y - centre[1]])
    return u, v


def covered(
    row: Array, centre: tuple[float, float], angle: float = 0.0, sprite: Array = NO_SPRITE, side: int = SIDE
) -> Array:
    """Drive the kernel over a whole frame, row by row."""
    u, v = object_grid(centre, angle, side)
    coverage, signs = np.full((side, side), np.nan, np.float32), np.empty(side, np.float32)
    for y in range(side):
        cover_row(row, sprite, u[y, 0], v[y, 0], np.cos(angle), -np.sin(angle), coverage[y], signs)
    return coverage.astype(np.float64)


def circle(radius: float) -> Array:
    return row_of("circle", size=radius)


def line(half_length: float, half_width: float) -> Array:
    return row_of("line", size=half_length, line_width=half_width)


def polygon(vertices: Any) -> Array:
    return row_of("polygon", size=1.0, vertex_count=len(vertices), vertices=vertices)


def antialiased(distance: Array) -> Array:
    return np.clip(0.5 - distance, 0, 1)


def drawn_polygons(draws: int) -> list[Array]:
    spec = spec_of(
        "rotation",
        height=SIDE,
        width=SIDE,
        objects={"kinds": ["polygon"], "count": (2, 2), "size": (0.2, 0.4)},
    )
    renderer = Renderer(spec)
    names = ("kind", "vertex_count", "vertices", "size")
    table = {
        name: np.empty((draws // 2, *renderer.layouts[name].shape), renderer.layouts[name].dtype) for name in names
    }
    renderer.render_into(0, table)
    polygons = zip(table["vertices"].reshape(-1, 8, 2), table["vertex_count"].ravel(), strict=True)
    return [vertices[:count] for vertices, count in polygons]


@given(centre=centres, angle=angles, radius=st.floats(0.3, 18))
def test_circle_covers_what_its_distance_says(centre: tuple[float, float], angle: float, radius: float) -> None:
    expected = antialiased(shapes.circle_distance(radius, *object_grid(centre, angle)))
    np.testing.assert_allclose(covered(circle(radius), centre, angle), expected, rtol=0, atol=FLOAT32)


@given(centre=centres, angle=angles, half_length=st.floats(1, 18), share=st.floats(0.05, 1))
def test_line_covers_what_its_distance_says(
    centre: tuple[float, float], angle: float, half_length: float, share: float
) -> None:
    expected = antialiased(shapes.line_distance(half_length, share * half_length, *object_grid(centre, angle)))
    row = line(half_length, share * half_length)
    np.testing.assert_allclose(covered(row, centre, angle), expected, rtol=0, atol=FLOAT32)


@given(centre=centres, angle=angles, sides=st.integers(3, 8), radius=st.floats(2, 18))
def test_convex_polygon_covers_what_its_distance_says(
    centre: tuple[float, float], angle: float, sides: int, radius: float
) -> None:
    turns = 2 * np.pi * np.arange(sides) / sides
    vertices = radius * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    expected = antialiased(shapes.polygon_distance(vertices, *object_grid(centre, angle)))
    np.testing.assert_allclose(covered(polygon(vertices), centre, angle), expected, rtol=0, atol=FLOAT32)


@given(centre=centres, angle=angles)
def test_star_polygon_covers_what_its_distance_says(centre: tuple[float, float], angle: float) -> None:
    expected = antialiased(shapes.polygon_distance(np.array(STAR, np.float64), *object_grid(centre, angle)))
    np.testing.assert_allclose(covered(polygon(STAR), centre, angle), expected, rtol=0, atol=FLOAT32)


def test_polygon_on_the_pixel_grid_is_filled_without_gaps() -> None:
    # Vertices at pixel centres are where crossing tests go wrong: a ray meets a vertex, or runs along an edge.
    vertices = np.array([(-8, -8), (0, -3), (8, -8), (8, 0), (8, 8), (-8, 8)], np.float64)
    expected = antialiased(shapes.polygon_distance(vertices, *object_grid((24.5, 24.5), 0.0)))
    np.testing.assert_allclose(covered(polygon(vertices), (24.5, 24.5)), expected, rtol=0, atol=FLOAT32)


def test_drawn_polygons_cover_what_their_distance_says() -> None:
    concave = 0
    for k, vertices in enumerate(drawn_polygons(60)):
        edges = np.roll(vertices, -1, axis=0) - vertices
        following = np.roll(edges, -1, axis=0)
        turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
        concave += int(np.any(turns < 0))
        centre, angle = (24 + k / 60, 24 - k / 120), k / 10
        expected = antialiased(shapes.polygon_distance(vertices, *object_grid(centre, angle)))
        np.testing.assert_allclose(covered(polygon(vertices), centre, angle), expected, rtol=0, atol=FLOAT32)
    assert 10 <= concave <= 50, "both convex and star-shaped ones were meant to be tested"


def mean_total(row: Array, angle: float) -> float:
    """Average the summed coverage over sub-pixel positions: what it is in the plane, without the grid."""
    offsets = np.arange(6) / 6
    return float(np.mean([covered(row, (23.5 + x, 23.5 + y), angle).sum() for x in offsets for y in offsets]))


def ramp_area(exterior_angles: Any) -> float:
    """
    Return what a ramp one pixel wide adds to a shape's area, from how far its outline turns at each corner.

    Outside a corner the level lines are arcs, inside they meet in a mitre: their lengths differ by (a + 2 tan a/2) d
    at distance d, which the ramp weighs with 1/2 - d from 0 to 1/2. A circle turns by 2 pi in small steps: pi/12.
    """
    corners = np.asarray(exterior_angles)
    return float(np.sum(corners + 2 * np.tan(corners / 2)) / 48)


@settings(max_examples=20)
@given(angle=angles, radius=st.floats(1, 18))
def test_circle_covers_its_area(angle: float, radius: float) -> None:
    area = np.pi * radius**2 + np.pi / 12
    assert mean_total(circle(radius), angle) == pytest.approx(area, rel=1e-3, abs=0.02)


@settings(max_examples=20)
@given(angle=angles, half_length=st.floats(6, 18), half_width=st.floats(1, 5))
def test_line_covers_its_area(angle: float, half_length: float, half_width: float) -> None:
    area = 4 * (half_length - half_width) * half_width + np.pi * half_width**2 + np.pi / 12
    assert mean_total(line(half_length, half_width), angle) == pytest.approx(area, rel=1e-3, abs=0.02)


def test_polygons_cover_their_shoelace_area() -> None:
    for k, vertices in enumerate(drawn_polygons(40)):
        edges = np.roll(vertices, -1, axis=0) - vertices
        headings = np.arctan2(edges[:, 1], edges[:, 0])
        corners = (headings - np.roll(headings, 1) + np.pi) % (2 * np.pi) - np.pi
        area = shapes.shoelace_area(vertices) + ramp_area(corners)
        assert mean_total(polygon(vertices), k / 7) == pytest.approx(area, rel=1e-3, abs=0.02)


def test_drawn_polygons_never_intersect_themselves() -> None:
    polygons = drawn_polygons(2000)
    assert {len(vertices) for vertices in polygons} == set(range(3, 9))
    assert not any(shapes.self_intersects(vertices) for vertices in polygons)


def test_intersection_test_sees_a_bow_tie() -> None:
    assert shapes.self_intersects(np.array([(0, 0), (2, 2), (2, 0), (0, 2)], np.float64))
    assert not shapes.self_intersects(np.array([(0, 0), (2, 0), (2, 2), (0, 2)], np.float64))


def test_drawn_polygons_have_their_centroid_at_the_origin_and_run_one_way() -> None:
    for vertices in drawn_polygons(500):
        assert shapes.shoelace_area(vertices) > 0
        np.testing.assert_allclose(shapes.polygon_centroid(vertices), 0, atol=1e-12)


SHAPES = {
    "circle": circle(9.3),
    "line": line(13.0, 3.1),
    "polygon": polygon([(11, 1), (-3, 10), (-8, -9)]),
    "star": polygon(STAR),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("angle", [0.4, 2.0])
def test_moving_by_a_tenth_of_a_pixel_moves_the_first_moment_by_a_tenth_of_the_area(name: str, angle: float) -> None:
    # About the object's own centre, so that the grid's share in the area (0.3 %) does not count 24 times.
    x = np.arange(SIDE) + 0.5 - 24
    shots = [covered(SHAPES[name], (23.5 + 0.1 * k, 24.2), angle) for k in range(11)]
    moments = np.array([np.sum(x * shot) for shot in shots])
    area = shots[0].sum()
    np.testing.assert_allclose(np.diff(moments) / area, 0.1, atol=0.03)
    assert moments[-1] - moments[0] == pytest.approx(area, rel=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_no_pixel_changes_more_than_the_object_moves(name: str) -> None:
    # A distance changes at most as far as one walks, so coverage cannot jump, whatever pixel boundary is crossed.
    steps = [covered(SHAPES[name], (24 + 0.05 * k, 24 - 0.03 * k), 0.3) for k in range(40)]
    largest = max(np.abs(after - before).max() for before, after in pairwise(steps))
    walked = np.hypot(0.05, 0.03)
    assert 0.5 * walked < largest <= walked + 2 * FLOAT32


@given(name=st.sampled_from(sorted(SHAPES)), angle=angles, centre=centres)
def test_nothing_is_covered_outside_the_extent(name: str, angle: float, centre: tuple[float, float]) -> None:
    row = SHAPES[name]
    half_x, half_y = extent(row, np.cos(angle), np.sin(angle), NO_SPRITE)
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    outside = (np.abs(x - centre[0]) > half_x) | (np.abs(y - centre[1]) > half_y)
    assert covered(row, centre, angle)[outside].max() <= FLOAT32


def noise_sprite(height: int, width: int) -> Array:
    return np.random.default_rng(7).integers(0, 256, (height, width), dtype=np.uint8)


@settings(max_examples=30)
@given(height=st.integers(1, 12), width=st.integers(1, 12), angle=angles, centre=centres, scale=st.floats(1, 1.8))
def test_magnified_sprite_is_sampled_bilinearly(
    height: int, width: int, angle: float, centre: tuple[float, float], scale: float
) -> None:
    sprite = noise_sprite(height, width)
    size = max(height, width) * scale / 2
    expected = shapes.sprite_levels(sprite, size, *object_grid(centre, angle))
    row = row_of("sprite", sprite=0, size=size)
    np.testing.assert_allclose(covered(row, centre, angle, sprite), expected, rtol=0, atol=5e-5)


@given(angle=angles, centre=centres)
def test_sprite_covers_nothing_outside_its_extent(angle: float, centre: tuple[float, float]) -> None:
    for size in (3.0, 10.0):
        sprite, row = np.full((9, 6), 255, np.uint8), row_of("sprite", sprite=0, size=size)
        half_x, half_y = extent(row, np.cos(angle), np.sin(angle), sprite)
        y, x = np.mgrid[:SIDE, :SIDE] + 0.5
        outside = (np.abs(x - centre[0]) > half_x) | (np.abs(y - centre[1]) > half_y)
        assert covered(row, centre, angle, sprite)[outside].max() == 0


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.1])
@pytest.mark.parametrize("size", [2.0, 3.7, 5.0, 9.5])
def test_minified_sprite_keeps_its_mean_intensity(angle: float, size: float) -> None:
    # One pixel wide stripes: sampling at points would see only the white or only the black ones.
    sprite = np.zeros((32, 32), np.uint8)
    sprite[:, ::2] = 255
    row = row_of("sprite", sprite=0, size=size)
    totals = [covered(row, (24 + k / 7, 24 - k / 9), angle, sprite).sum() for k in range(7)]
    np.testing.assert_allclose(totals, (2 * size) ** 2 / 2, rtol=0.04)


def test_minified_sprite_is_the_average_over_its_pixels() -> None:
    sprite = ndimage.gaussian_filter(noise_sprite(40, 28).astype(float), 1.5).astype(np.uint8)
    spec = spec_of("rotation", objects={"kinds": ["sprite"]}, sprites=sprite_set(sprite[None]), height=32, width=32)
    columns = {name: np.array([value]) for name, value in (("kind", 4), ("size", 6.3), ("sprite", 0))}
    u, v = object_grid((16.2, 15.6), 0.7, spec.height)
    expected = shapes.coverage(columns, 0, u, v, sprite[None])
    row = row_of("sprite", sprite=0, size=6.3)
    np.testing.assert_allclose(covered(row, (16.2, 15.6), 0.7, sprite, 32), expected, atol=0.01)


def test_sprites_grey_value_is_its_coverage() -> None:
    sprite = np.full((8, 8), 128, np.uint8)
    coverage = covered(row_of("sprite", sprite=0, size=10.0), (24.0, 24.0), 0.0, sprite)
    np.testing.assert_allclose(coverage[17:31, 17:31], 128 / 255, rtol=1e-6)


def test_non_square_sprite_keeps_its_aspect() -> None:
    for shape, expected in (((8, 16), (10, 20)), ((16, 8), (20, 10))):
        sprite = np.full(shape, 255, np.uint8)
        coverage = covered(row_of("sprite", sprite=0, size=10.0), (24.0, 24.0), 0.0, sprite)
        measured = (coverage.sum(axis=0).max(), coverage.sum(axis=1).max())
        assert measured == pytest.approx(expected, rel=1e-3)


def test_sprite_stands_upright_at_the_start() -> None:
    # A flag: bright in the upper left quarter. Upright means that it is there on screen too.
    sprite = np.zeros((16, 16), np.uint8)
    sprite[:8, :8] = 255
    spec = spec_of(
        "rotation",
        objects={"kinds": ["sprite"], "count": (1, 1), "size": (0.3, 0.3)},
        texture={"contrast": (0, 0)},
        sprites=sprite_set(sprite[None]),
        height=32,
        width=32,
        noise={"ratio": 0},
    )
    rendered = Renderer(spec, sprite[None]).render(0, 10)
    for k in range(10):
        x, y = columns_of(rendered.parameters, k)["position"][0]
        light = rendered.frames[k, 0].astype(float)
        moment_y, moment_x = ndimage.center_of_mass(light)
        assert moment_x + 0.5 - x == pytest.approx(-0.25 * 2 * 0.3 * 32, abs=0.2)
        assert moment_y + 0.5 - y == pytest.approx(-0.25 * 2 * 0.3 * 32, abs=0.2)


def test_rows_hold_vertices_in_the_tables_order() -> None:
    row = polygon(STAR)
    assert row[VERTEX_COUNT] == len(STAR)
    np.testing.assert_array_equal(row[VERTICES : VERTICES + 2 * len(STAR)].reshape(-1, 2), STAR)
