"""Layers lie over each other in the order of the table: what is in front hides, what grows is a layer of its own."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from datagen.rendering.compositing import composite_sequence
from datagen.rendering.parameters import ROW_LENGTH
from datagen.rendering.sequence import Renderer
from datagen.storage.sprites import sprite_set
from tests.reference import growth
from tests.reference.parameters import columns_of, objects_of, row_of
from tests.reference.renderer import render_reference
from tests.reference.specs import clean_spec

Array = NDArray[Any]
SIDE = 24
FLOAT32 = 5e-6
NO_SPRITES = np.zeros((1, 1, 1), np.uint8)


def composite(*rows: Array, frames: int = 1, whole_image: bool = False, side: int = SIDE) -> tuple[Array, Array]:
    """Drive the kernel with scratch that holds rubbish, as a second sequence finds it."""
    clean = np.full((frames, side, side), np.nan, np.float32)
    mask = np.full((frames, side, side), 99, np.uint8)
    layers = np.full((3, side, side), np.nan, np.float32)
    composite_sequence(np.array(rows), whole_image, NO_SPRITES, clean, mask, layers)
    return clean.astype(np.float64), mask


def circle(x: float, y: float, size: float, intensity: float, *properties: str, **values: ArrayLike) -> Array:
    return row_of("circle", properties, position=(x, y), size=size, intensity=intensity, **values)


def growing(weight: float) -> dict[str, ArrayLike]:
    return {"growth": weight, "kernel_width": 5, "kernel_sigma": (1.2, 0.8), "kernel_direction": (0.6, 0.8)}


def test_later_object_hides_what_is_behind_it() -> None:
    behind, front = circle(10, 12, 6, 0.9), circle(14, 12, 6, 0.3)
    alone, _ = composite(front)
    both, mask = composite(behind, front)
    hidden = (alone > 0.3 - 1e-6).all(axis=0)
    assert hidden.sum() > 80
    np.testing.assert_array_equal(both[0][hidden], alone[0][hidden])
    assert np.all(mask[0][hidden] == 2)
    assert both[0, 12, 6] == pytest.approx(0.9)
    assert mask[0, 12, 6] == 1


def test_order_of_the_table_is_the_order_of_depth() -> None:
    one, other = circle(10, 12, 6, 0.9), circle(14, 12, 6, 0.3)
    first, first_mask = composite(one, other)
    second, second_mask = composite(other, one)
    assert first[0, 12, 12] == pytest.approx(0.3)
    assert second[0, 12, 12] == pytest.approx(0.9)
    assert (first_mask[0, 12, 12], second_mask[0, 12, 12]) == (2, 2)


def test_edge_pixel_shows_what_is_behind_by_its_coverage() -> None:
    # Coverage 1/4 at x = 15: the distance from the circle of radius 5.25 about (10, 12.5) is 1/4 there.
    behind, front = circle(12, 12.5, 11, 0.8), circle(10, 12.5, 5.25, 0.4)
    image, mask = composite(behind, front)
    assert image[0, 12, 15] == pytest.approx(0.75 * 0.8 + 0.25 * 0.4, abs=FLOAT32)
    assert mask[0, 12, 15] == 1
    assert mask[0, 12, 14] == 2


def test_mask_is_the_front_object_where_it_covers_at_least_half() -> None:
    exact, below = circle(10, 12.5, 5.5, 1.0), circle(10, 12.5, 5.4375, 1.0)
    assert composite(exact)[1][0, 12, 15] == 1
    assert composite(below)[1][0, 12, 15] == 0


@pytest.mark.parametrize("centre", [(-3, 12), (12, -3), (27, 27), (-3, -3)])
def test_object_that_sticks_out_is_cut_at_the_frame(centre: tuple[float, float]) -> None:
    shift = 12
    cut, cut_mask = composite(circle(*centre, 6, 1.0), side=SIDE)
    x, y = centre
    whole, whole_mask = composite(circle(x + shift, y + shift, 6, 1.0), side=SIDE + 2 * shift)
    window = np.s_[:, shift : shift + SIDE, shift : shift + SIDE]
    assert 0 < np.count_nonzero(cut) < np.count_nonzero(whole)
    np.testing.assert_allclose(cut, whole[window], atol=FLOAT32)
    np.testing.assert_array_equal(cut_mask, whole_mask[window])


@pytest.mark.parametrize("centre", [(-20, 12), (12, 50), (1e9, 1e9), (-1e15, 3)])
def test_object_out_of_sight_leaves_the_frame_black(centre: tuple[float, float]) -> None:
    clean, mask = composite(circle(*centre, 6, 1.0), frames=2)
    assert clean.max() == 0
    assert mask.max() == 0


def test_no_object_is_a_black_frame() -> None:
    clean, mask = np.ones((2, 4, 4), np.float32), np.ones((2, 4, 4), np.uint8)
    for whole_image in (False, True):
        composite_sequence(
            np.zeros((0, ROW_LENGTH)), whole_image, NO_SPRITES, clean, mask, np.ones((3, 4, 4), np.float32)
        )
        assert clean.max() == 0
        assert mask.max() == 0


def test_growing_layer_is_drawn_at_its_pose_then_convolved_and_clipped_once_a_frame() -> None:
    moving = circle(8, 10, 4, 0.5, "translation", "intensity", velocity=(1.3, 0.4), **growing(1.3))
    still = circle(8, 10, 4, 0.5, "translation", velocity=(1.3, 0.4))
    grown, _ = composite(moving, frames=6)
    drawn, _ = composite(still, frames=6)
    kernel = growth.growth_kernel({name: np.array([value]) for name, value in growing(1.3).items()}, 0)
    for t in range(6):
        np.testing.assert_allclose(grown[t], growth.grow(drawn[t], kernel, t), rtol=0, atol=FLOAT32)


def test_mask_of_a_growing_object_stays_that_of_its_shape() -> None:
    _, grown = composite(circle(12, 12, 4, 0.5, "intensity", **growing(1.5)), frames=6)
    np.testing.assert_array_equal(grown, np.repeat(grown[:1], 6, axis=0))
    assert grown.max() == 1


def test_light_of_a_grown_layer_is_added_beside_its_shape_up_to_white() -> None:
    behind = circle(12, 12, 9, 0.9)
    front = circle(12, 12, 3, 0.8, "intensity", **growing(1.6))
    together, mask = composite(behind, front, frames=4)
    layer, _ = composite(front, frames=4)
    beside = (mask == 1) & (layer > 0.01)
    assert beside.sum() > 20
    assert together.max() == 1
    strictly = beside & (together < 0.9)
    assert not strictly.any(), "growth must not darken what is beside it"


def test_object_in_front_of_a_growing_one_is_not_grown() -> None:
    grower = circle(10, 12, 5, 0.6, "intensity", **growing(1.4))
    front = circle(14, 12, 4, 0.3)
    together, _ = composite(grower, front, frames=5)
    alone, _ = composite(front)
    core = alone[0] > 0.3 - 1e-6
    for frame in together:
        np.testing.assert_array_equal(frame[core], alone[0][core])


def test_whole_image_grows_as_one_where_layers_would_not() -> None:
    # Two overlapping growing circles: as one image the light behind the front one stays hidden.
    pair = [circle(10, 12, 5, 0.6, "intensity", **growing(1.2)), circle(13, 12, 5, 0.5, "intensity", **growing(1.2))]
    image, _ = composite(*pair, frames=5, whole_image=True)
    kernel = growth.growth_kernel({name: np.array([value]) for name, value in growing(1.2).items()}, 0)
    for t in range(5):
        np.testing.assert_allclose(image[t], growth.grow(image[0], kernel, t), rtol=0, atol=FLOAT32)
    layered, _ = composite(*pair, frames=5)
    assert np.abs(layered - image).max() > 0.01


def test_one_growing_layer_is_the_whole_image() -> None:
    fields: dict[str, Any] = {
        "objects": {"count": (1, 1)},
        "height": SIDE,
        "width": SIDE,
    }
    as_image = Renderer(clean_spec("intensity", **fields)).render(0, 8)
    as_layer = Renderer(clean_spec({"kind": "mixed", "assignments": [["intensity"]]}, **fields)).render(0, 8)
    np.testing.assert_array_equal(as_image.frames, as_layer.frames)


PROPERTIES: dict[str, Any] = {
    "translation": "translation",
    "rotation": "rotation",
    "orbit": {"kind": "rotation", "pivot": "orbit"},
    "intensity": "intensity",
    "mixed": {"kind": "mixed", "rotation": {"pivot": "orbit"}, "intensity": {"spread": (0.01, 0.1)}},
}


@pytest.mark.parametrize("shape", [(24, 24), (17, 30), (31, 9)])
@pytest.mark.parametrize("name", PROPERTIES)
def test_clean_sequence_and_mask_are_the_reference_renderers(name: str, shape: tuple[int, int]) -> None:
    spec = clean_spec(
        PROPERTIES[name],
        frames=4,
        height=shape[0],
        width=shape[1],
        objects={"count": (1, 4), "size": (0.15, 0.4)},
        truth=("clean", "mask"),
    )
    rendered = Renderer(spec).render(100, 8)
    assert rendered.clean is not None
    assert rendered.mask is not None
    objects = 0
    for k in range(8):
        columns = columns_of(rendered.parameters, k)
        expected = render_reference(spec, columns)
        objects += objects_of(columns)
        np.testing.assert_allclose(rendered.clean[k], expected.clean, rtol=0, atol=FLOAT32)
        certain = np.all(np.abs(expected.coverage - 0.5) > 1e-4, axis=0)
        np.testing.assert_array_equal(rendered.mask[k][certain], expected.mask[certain])
        assert certain.mean() > 0.99
    assert objects > 12


def test_sequences_with_sprites_are_the_reference_renderers() -> None:
    sprites = np.random.default_rng(5).integers(0, 256, (12, 7, 5), dtype=np.uint8)
    spec = clean_spec(
        "mixed",
        frames=4,
        height=32,
        width=32,
        objects={"kinds": ["sprite", "circle"], "size": (0.15, 0.4)},
        sprites=sprite_set(sprites),
        truth=("clean", "mask"),
    )
    rendered = Renderer(spec, sprites).render(0, 8)
    for k in range(8):
        expected = render_reference(spec, columns_of(rendered.parameters, k), sprites)
        assert rendered.clean is not None
        np.testing.assert_allclose(rendered.clean[k], expected.clean, rtol=0, atol=2e-5)
    assert set(rendered.parameters["kind"].ravel()) == {0, 1, 4}
