"""The sine texture is the formula, and it is painted on the object: turning the object is turning the picture."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from datagen.rendering.sequence import Renderer
from datagen.rendering.texture import shade_row
from schemas.render import RenderSpec
from tests.reference import renderer as reference
from tests.reference.kinematics import pose, turn
from tests.reference.parameters import columns_of, row_of
from tests.reference.specs import clean_spec

Array = NDArray[Any]
WIDTH = 64
GREY_LEVEL = 1 / 255


def shaded(
    row: Array, coverage: Array, u: float = 0.0, v: float = 0.0, step: tuple[float, float] = (1.0, 0.0)
) -> Array:
    value = np.full(coverage.size, np.nan, np.float32)
    shade_row(row, u, v, *step, coverage.astype(np.float32), value)
    return value


def textured(contrast: float, wavelength: float = 7.0, heading: float = 0.6, phase: float = 0.3) -> Array:
    return row_of(
        "circle",
        size=10.0,
        intensity=0.8,
        texture_contrast=contrast,
        texture_wavelength=wavelength,
        texture_direction=(np.cos(heading), np.sin(heading)),
        texture_phase=phase,
    )


@given(
    contrast=st.floats(0, 1),
    wavelength=st.floats(1, 200),
    heading=st.floats(-4, 4),
    phase=st.floats(0, 1, exclude_max=True),
    start=st.tuples(st.floats(-90, 90), st.floats(-90, 90)),
    angle=st.floats(-7, 7),
)
def test_texture_is_the_sine_of_its_formula(
    contrast: float, wavelength: float, heading: float, phase: float, start: tuple[float, float], angle: float
) -> None:
    row = textured(contrast, wavelength, heading, phase)
    step = np.cos(angle), -np.sin(angle)
    u, v = (start[axis] + step[axis] * np.arange(WIDTH) for axis in range(2))
    turns = (u * np.cos(heading) + v * np.sin(heading)) / wavelength + phase
    expected = 0.8 * (1 - contrast * (1 - np.sin(2 * np.pi * turns)) / 2)
    np.testing.assert_allclose(shaded(row, np.ones(WIDTH), *start, step), expected, rtol=0, atol=5e-5)


@given(contrast=st.floats(0, 1), wavelength=st.floats(0.5, 50))
def test_texture_stays_between_one_less_contrast_and_one_of_the_intensity(contrast: float, wavelength: float) -> None:
    value = shaded(textured(contrast, wavelength), np.ones(WIDTH))
    assert value.min() >= 0.8 * (1 - contrast) - 1e-6
    assert value.max() <= 0.8 + 1e-6


def test_full_contrast_reaches_both_ends() -> None:
    value = shaded(textured(1.0, wavelength=50.0, heading=0.0, phase=0.0), np.ones(WIDTH), step=(0.9, 0.0))
    assert value.max() == pytest.approx(0.8, abs=1e-3)
    assert value.min() == pytest.approx(0.0, abs=1e-3)


def test_no_contrast_is_the_plain_intensity() -> None:
    coverage = np.linspace(0, 1, WIDTH).astype(np.float32)
    np.testing.assert_array_equal(shaded(textured(0.0), coverage), np.float32(0.8) * coverage)


def test_light_is_proportional_to_coverage() -> None:
    row, coverage = textured(0.7), np.linspace(0, 1, WIDTH)
    np.testing.assert_allclose(shaded(row, coverage), shaded(row, np.ones(WIDTH)) * coverage, rtol=1e-5, atol=1e-7)


def rotation_spec(**objects: Any) -> RenderSpec:
    return clean_spec("rotation", truth=("mask",), objects={"count": (1, 1), **objects})


def turned_image(first: Array, centre: Array, angle: float) -> Array:
    """Turn the picture clockwise on screen about (x, y) px, as an image program does: cubic splines, no renderer."""
    back = turn(-angle)[::-1, ::-1]  # (y, x)
    middle = centre[::-1] - 0.5  # array indices
    return np.asarray(ndimage.affine_transform(first, back, middle - back @ middle, order=3, mode="constant"))


@pytest.mark.parametrize("objects", [{}, {"size": (0.2, 0.35)}], ids=["default", "large"])
def test_rotating_object_is_a_rotated_picture(objects: dict[str, Any]) -> None:
    spec, count, interiors = rotation_spec(**objects), 16, 0
    rendered = Renderer(spec).render(0, count)
    for k in range(count):
        columns = columns_of(rendered.parameters, k)
        coverage = reference.render_reference(spec, columns).coverage[0]
        first = rendered.frames[k, 0].astype(np.float64)
        centre, start = pose(columns, 0, 0)
        for t in range(1, spec.frames):
            _, angle = pose(columns, 0, t)
            shown = rendered.frames[k, t].astype(np.float64)
            difference = np.abs(turned_image(first, centre, angle - start) - shown)
            # A spline rings a few pixels around an edge; further inside only the texture is compared.
            inside = ndimage.binary_erosion(coverage[t] == 1, iterations=4)
            interiors += inside.sum()
            assert difference[inside].max(initial=0) < GREY_LEVEL
            assert difference.mean() < GREY_LEVEL
            # An edge one pixel wide holds more detail than pixels can carry through a rotation, so the mean over
            # the object alone is taken after both pictures went through the same round blur.
            blurred = turned_image(ndimage.gaussian_filter(first, 1), centre, angle - start)
            difference = np.abs(blurred - ndimage.gaussian_filter(shown, 1))
            assert difference[coverage[t] > 0].mean() < GREY_LEVEL
    assert interiors > 20 * count * (spec.frames - 1), "there must be an interior to compare"


def test_a_texture_that_stood_still_would_be_seen() -> None:
    # The check above is worth something only if it fails for a picture that is not turned.
    rendered = Renderer(rotation_spec(size=(0.2, 0.35))).render(0, 16)
    assert rendered.mask is not None
    still = np.abs(rendered.frames[:, 3] - rendered.frames[:, 0])
    mask = rendered.mask[:, 0] > 0
    assert min(frame[inside].mean() for frame, inside in zip(still, mask, strict=True)) > 5 * GREY_LEVEL
