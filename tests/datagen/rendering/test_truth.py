"""Truth is checked against the pictures it explains: flow carries them on, masks lie where the objects are."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from datagen.rendering.parameters import PROPERTY
from datagen.rendering.sequence import Renderer, Sequences
from datagen.rendering.truth import fill_flow, fill_property_mask
from schemas.render import RenderSpec
from schemas.store import PROPERTY_BITS
from tests.reference import renderer as reference
from tests.reference.parameters import columns_of, objects_of, row_of
from tests.reference.specs import clean_spec, spec_of

Array = NDArray[Any]
ALL = ("clean", "flow", "mask", "property_mask")
PROPERTIES: dict[str, Any] = {
    "translation": "translation",
    "rotation": "rotation",
    "orbit": {"kind": "rotation", "pivot": "orbit"},
    "mixed": {"kind": "mixed", "rotation": {"pivot": "orbit"}},
    "intensity": "intensity",
}
MARGIN = 4
"""Pixels between what is compared and the nearest edge: a cubic spline rings that far."""


def render(name: str, count: int, side: int = 64, **fields: Any) -> tuple[RenderSpec, Sequences]:
    spec = clean_spec(PROPERTIES[name], height=side, width=side, truth=ALL, **fields)
    return spec, Renderer(spec).render(0, count)


def warped(following: Array, flow: Array) -> Array:
    """Sample the following frame at p + flow(p)."""
    y, x = np.mgrid[: following.shape[0], : following.shape[1]].astype(np.float64)
    return np.asarray(ndimage.map_coordinates(following, [y + flow[1], x + flow[0]], order=3, mode="constant"))


def comparable(rendered: Sequences, twin: reference.ReferenceSequence, k: int, t: int) -> Array:
    """Return the pixels well inside one object at t that are well inside the same one at t + 1, and do not grow."""
    assert rendered.flow is not None
    assert rendered.mask is not None
    assert rendered.property_mask is not None
    now, after = rendered.mask[k, t], rendered.mask[k, t + 1]
    solid = np.zeros(now.shape, bool)
    flow = rendered.flow[k, t].astype(np.float64)
    y, x = np.mgrid[: now.shape[0], : now.shape[1]].astype(np.float64)
    for item in range(len(twin.coverage)):
        front = ~(twin.coverage[item + 1 :].max(axis=0, initial=0) > 0)
        seen = [
            ndimage.binary_erosion((twin.coverage[item, s] == 1) & front[s] & (mask == item + 1), iterations=MARGIN)
            for s, mask in ((t, now), (t + 1, after))
        ]
        lands = ndimage.map_coordinates(seen[1].astype(float), [y + flow[1], x + flow[0]], order=1) == 1
        solid |= seen[0] & lands
    grows = [item for item, row in enumerate(_properties(rendered, k)) if row & PROPERTY_BITS["intensity"]]
    glow = twin.layers[grows].max(axis=0, initial=0) > 0  # the light of a growing layer reaches beyond its shape
    glow = ndimage.binary_dilation(glow[t] | glow[t + 1], iterations=MARGIN)
    return np.asarray(solid & ~glow)


def _properties(rendered: Sequences, k: int) -> list[int]:
    count = objects_of(columns_of(rendered.parameters, k))
    return [int(bits) for bits in rendered.parameters["property"][k, :count]]


@pytest.mark.parametrize("name", ["translation", "rotation", "orbit", "mixed"])
def test_flow_carries_each_frame_into_the_next(name: str) -> None:
    spec, rendered = render(name, 10, frames=6, objects={"size": (0.2, 0.35)}, texture={"wavelength": (0.8, 1.6)})
    assert rendered.clean is not None
    assert rendered.flow is not None
    compared, longest, unmoved = 0, 0.0, []
    for k in range(10):
        twin = reference.render_reference(spec, columns_of(rendered.parameters, k))
        for t in range(spec.frames - 1):
            flow = rendered.flow[k, t].astype(np.float64)
            where = comparable(rendered, twin, k, t)
            carried = warped(rendered.clean[k, t + 1].astype(np.float64), flow)
            error = np.abs(carried - rendered.clean[k, t])[where]
            assert error.max(initial=0) < 1 / 255
            compared += where.sum()
            longest = max(longest, float(np.hypot(*flow)[where].max(initial=0)))
            unmoved.append(np.abs(rendered.clean[k, t + 1] - rendered.clean[k, t])[where])
    assert compared > 3000
    assert longest > 1
    assert np.concatenate(unmoved).mean() > 4 / 255, "without flow the frames must differ, or nothing was tested"


@pytest.mark.parametrize("name", PROPERTIES)
def test_flow_is_the_displacement_of_the_surface_point(name: str) -> None:
    spec, rendered = render(name, 12, side=24, frames=5)
    assert rendered.flow is not None
    assert rendered.mask is not None
    assert rendered.flow.dtype == np.float16
    for k in range(12):
        twin = reference.render_reference(spec, columns_of(rendered.parameters, k))
        same = np.broadcast_to((twin.mask == rendered.mask[k])[:, None], twin.flow.shape)
        assert same.mean() > 0.99
        # float16 keeps 11 bits.
        np.testing.assert_allclose(rendered.flow[k][same], twin.flow[same], rtol=2**-11, atol=1e-6)


@pytest.mark.parametrize("name", PROPERTIES)
def test_flow_is_0_on_background(name: str) -> None:
    _, rendered = render(name, 12, side=24)
    assert rendered.flow is not None
    assert rendered.mask is not None
    background = np.broadcast_to(rendered.mask[:, :, None] == 0, rendered.flow.shape)
    assert background.any()
    assert not rendered.flow[background].any()


def test_flow_of_growth_alone_is_0() -> None:
    _, rendered = render("intensity", 6, side=24)
    assert rendered.flow is not None
    assert not rendered.flow.any()


def test_motion_goes_on_after_the_last_frame() -> None:
    spec, rendered = render("translation", 12, side=24, frames=1)
    assert rendered.flow is not None
    assert rendered.mask is not None
    for k in range(12):
        twin = reference.render_reference(spec, columns_of(rendered.parameters, k))
        np.testing.assert_allclose(rendered.flow[k], twin.flow, rtol=2**-11, atol=1e-6)
    assert np.abs(rendered.flow[:, -1]).max() > 0.1


def test_flow_of_a_turning_object_is_about_its_pivot() -> None:
    row = row_of("circle", ("rotation",), position=(8, 8), size=6, pivot=(2, 0), angular_velocity=np.pi / 2)
    flow = np.zeros((2, 16, 16), np.uint16)
    fill_flow(row[None], 0, np.ones((16, 16), np.uint8), flow)
    displacement = flow.view(np.float16).astype(np.float64)
    # A quarter turn clockwise on screen about (10, 8) takes (10 + a, 8 + b) to (10 - b, 8 + a).
    y, x = np.mgrid[:16, :16] + 0.5
    a, b = x - 10, y - 8
    np.testing.assert_allclose(displacement, [-b - a, a - b], atol=0.01)


@pytest.mark.parametrize("name", PROPERTIES)
def test_property_mask_holds_the_bits_of_the_front_object(name: str) -> None:
    _, rendered = render(name, 20, side=24)
    assert rendered.mask is not None
    assert rendered.property_mask is not None
    for k in range(20):
        bits = np.array([0, *_properties(rendered, k)])
        np.testing.assert_array_equal(rendered.property_mask[k], bits[rendered.mask[k]])


def test_property_mask_of_mixed_shows_every_combination() -> None:
    _, rendered = render("mixed", 60, side=24)
    assert rendered.property_mask is not None
    assert set(np.unique(rendered.property_mask)) == set(range(8))


def test_property_mask_takes_the_bits_from_the_row() -> None:
    rows = np.zeros((2, PROPERTY + 1))
    rows[:, PROPERTY] = 3, 4
    mask, properties = np.array([[[0, 1], [2, 1]]], np.uint8), np.full((1, 2, 2), 77, np.uint8)
    fill_property_mask(rows, mask, properties)
    np.testing.assert_array_equal(properties, [[[0, 3], [4, 3]]])


@pytest.mark.parametrize("name", ["translation", "rotation", "mixed"])
def test_mask_lies_where_the_light_is(name: str) -> None:
    _, rendered = render(name, 20, side=32, texture={"contrast": (0, 0)}, objects={"intensity": (1, 1)})
    assert rendered.clean is not None
    assert rendered.mask is not None
    still = np.all(rendered.parameters["property"] < PROPERTY_BITS["intensity"], axis=1)
    clean, mask = rendered.clean[still], rendered.mask[still]
    # One white object on black: covered by half or more is as bright as half or more.
    np.testing.assert_array_equal(mask[clean < 0.5 - 1e-6], 0)
    assert np.all(mask[clean >= 1 - 1e-6] > 0)
    assert mask.any()


def test_clean_is_the_frames_before_noise() -> None:
    for dtype in ("uint8", "float16", "float32"):
        fields: dict[str, Any] = {"height": 16, "width": 16, "dtype": dtype}
        noisy = Renderer(spec_of("rotation", truth=("clean",), **fields)).render(0, 4)
        quiet = Renderer(spec_of("rotation", noise={"ratio": 0}, **fields)).render(0, 4)
        np.testing.assert_array_equal(noisy.clean, quiet.frames)
        assert np.any(noisy.frames != quiet.frames)
