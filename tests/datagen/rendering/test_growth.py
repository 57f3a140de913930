"""Growth and decay are scipy's convolution, clipped, step by step."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from datagen.rendering.growth import grow, growth_kernel
from datagen.rendering.sequence import Renderer
from schemas.render import RenderSpec
from tests.reference import growth as reference
from tests.reference.parameters import columns_of, row_of, rows_of
from tests.reference.specs import clean_spec, spec_of

Array = NDArray[Any]
FLOAT32 = 2e-6
WIDTHS = (3, 5, 7)


def kernel_row(width: int, weight: float, sigma: tuple[float, float], heading: float) -> Array:
    return row_of(
        "circle",
        ("intensity",),
        growth=weight,
        kernel_width=width,
        kernel_sigma=sigma,
        kernel_direction=(np.cos(heading), np.sin(heading)),
    )


def stepped(image: Array, kernel: Array, steps: int = 1, bounds: tuple[int, int, int, int] | None = None) -> Array:
    """Drive the kernel and give what lies outside the bounds that it returns as 0."""
    bounds = bounds or (0, image.shape[0], 0, image.shape[1])
    image = image.astype(np.float32)
    for _ in range(steps):
        out = np.full_like(image, np.nan)
        bounds = grow(image, kernel.astype(np.float32), bounds, out)
        image = out
    top, bottom, left, right = bounds
    whole = np.zeros(image.shape)
    whole[top:bottom, left:right] = image[top:bottom, left:right]
    return whole


def random_image(seed: int, shape: tuple[int, int], level: float = 1.0) -> Array:
    return np.random.default_rng(seed).random(shape).astype(np.float32) * np.float32(level)


@given(
    width=st.sampled_from(WIDTHS),
    weight=st.floats(0, 4),
    across=st.floats(0.05, 5),
    anisotropy=st.floats(1, 4),
    heading=st.floats(-4, 4),
)
def test_kernel_has_its_weight_and_nothing_negative(
    width: int, weight: float, across: float, anisotropy: float, heading: float
) -> None:
    kernel = growth_kernel(kernel_row(width, weight, (anisotropy * across, across), heading))
    assert kernel.shape == (width, width)
    assert kernel.min() >= 0
    assert kernel.sum(dtype=np.float64) == pytest.approx(weight, rel=1e-6, abs=1e-12)
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("heading", np.linspace(0, np.pi, 7))
def test_kernel_is_longest_along_its_direction(heading: float) -> None:
    kernel = growth_kernel(kernel_row(7, 1.0, (1.2, 0.6), heading)).astype(np.float64)
    y, x = np.mgrid[-3:4, -3:4]
    along = x * np.cos(heading) + y * np.sin(heading)
    across = y * np.cos(heading) - x * np.sin(heading)
    assert np.sqrt(np.sum(kernel * along**2)) == pytest.approx(1.2, rel=0.06)
    assert np.sqrt(np.sum(kernel * across**2)) == pytest.approx(0.6, rel=0.06)
    assert np.sum(kernel * along * across) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shape", [(16, 16), (9, 21), (1, 12), (12, 1), (1, 1), (2, 3)])
def test_step_is_a_clipped_convolution(width: int, shape: tuple[int, int]) -> None:
    # An asymmetric kernel: correlation instead of convolution would be seen.
    kernel = np.random.default_rng(width).random((width, width))
    kernel *= 1.3 / kernel.sum()
    image = random_image(1, shape)
    np.testing.assert_allclose(stepped(image, kernel), reference.grow(image, kernel), rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("weight", [0.0, 0.5, 0.93, 1.0, 1.12, 3.0])
def test_every_one_of_many_steps_is_a_clipped_convolution(width: int, weight: float) -> None:
    kernel = growth_kernel(kernel_row(width, weight, (1.1, 0.5), 0.7)).astype(np.float64)
    image = random_image(2, (14, 18))
    for steps in range(1, 9):
        np.testing.assert_allclose(
            stepped(image, kernel, steps), reference.grow(image, kernel, steps), rtol=0, atol=steps * FLOAT32
        )


@given(
    seed=st.integers(0, 100),
    width=st.sampled_from(WIDTHS),
    rows=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    columns=st.tuples(st.integers(0, 15), st.integers(0, 15)),
    steps=st.integers(1, 3),
)
def test_image_counts_as_black_outside_its_bounds(
    seed: int, width: int, rows: tuple[int, int], columns: tuple[int, int], steps: int
) -> None:
    (top, bottom), (left, right) = sorted(rows), sorted(columns)
    image = random_image(seed, (12, 15))
    inside = np.zeros_like(image)
    inside[top:bottom, left:right] = image[top:bottom, left:right]
    kernel = np.random.default_rng(seed).random((width, width)) / width**2
    grown = stepped(image, kernel, steps, (top, bottom, left, right))
    np.testing.assert_allclose(grown, reference.grow(inside, kernel, steps), rtol=0, atol=steps * FLOAT32)


def test_growth_never_passes_white_and_decay_never_black() -> None:
    kernel = growth_kernel(kernel_row(5, 3.0, (1.0, 0.7), 0.0)).astype(np.float64)
    grown = stepped(random_image(3, (16, 16)), kernel, 6)
    assert grown.max() == 1
    faded = stepped(random_image(3, (16, 16)), kernel / 9, 12)
    assert 0 <= faded.min() <= faded.max() < 1e-4


def intensity_spec(changes: Any = "intensity", **fields: Any) -> RenderSpec:
    return clean_spec(changes, **{"height": 32, "width": 24, "frames": 8, **fields})


def kernel_of(columns: dict[str, Array]) -> Array:
    return reference.growth_kernel(columns, 0)


@pytest.mark.parametrize("share", [0.0, 1.0], ids=["decay", "growth"])
@pytest.mark.parametrize("width", WIDTHS)
def test_frames_of_an_intensity_sequence_are_the_clipped_convolution_of_the_frame_before(
    share: float, width: int
) -> None:
    changes = {"kind": "intensity", "growth_share": share, "kernel_width": (width, width), "spread": (0.01, 0.05)}
    spec = intensity_spec(changes)
    rendered = Renderer(spec).render(0, 12)
    for k in range(12):
        kernel = kernel_of(columns_of(rendered.parameters, k))
        assert kernel.shape == (width, width)
        assert (kernel.sum() > 1) == (share == 1)
        for before, after in zip(rendered.frames[k], rendered.frames[k, 1:], strict=False):
            np.testing.assert_allclose(after, reference.grow(before.astype(float), kernel), rtol=0, atol=FLOAT32)


def test_whole_image_grows_by_one_kernel() -> None:
    table = Renderer(intensity_spec(objects={"count": (3, 3)})).render(0, 10).parameters
    for name in ("growth", "kernel_width", "kernel_sigma", "kernel_direction"):
        np.testing.assert_array_equal(table[name], np.repeat(table[name][:, :1], 3, axis=1))


def test_light_grows_by_its_weight_until_it_meets_white_or_the_border() -> None:
    rendered = Renderer(intensity_spec(objects={"size": (0.1, 0.15)}, height=64, width=64)).render(0, 40)
    frames, growth = rendered.frames.astype(np.float64), rendered.parameters["growth"][:, 0]
    border = frames.copy()
    border[:, :, 3:-3, 3:-3] = 0
    free = (frames.max(axis=(2, 3)) < 1) & (border.max(axis=(2, 3)) == 0)
    total = frames.sum(axis=(2, 3))
    steps = free[:, 1:] & free[:, :-1]
    ratio = (total[:, 1:] / total[:, :-1])[steps]
    assert len(ratio) > 80
    np.testing.assert_allclose(ratio, np.repeat(growth, steps.sum(axis=1)), rtol=1e-4)


def test_light_that_leaves_the_frame_is_lost() -> None:
    # Objects larger than the frame: their light meets all four borders. "nearest" is a border that reflects it.
    changes = {"kind": "intensity", "growth_share": 0, "kernel_width": (7, 7), "spread": (0.05, 0.08)}
    spec = intensity_spec(changes, objects={"kinds": ["circle"], "size": (0.8, 0.9)})
    rendered = Renderer(spec).render(0, 6)
    for k in range(6):
        kernel = kernel_of(columns_of(rendered.parameters, k))
        first = rendered.frames[k, 0].astype(np.float64)
        np.testing.assert_allclose(rendered.frames[k, 7], reference.grow(first, kernel, 7), rtol=0, atol=8 * FLOAT32)
        reflected = ndimage.convolve(first, kernel, mode="nearest").clip(0, 1)
        assert np.abs(reflected - rendered.frames[k, 1]).max() > 0.01


def test_drawn_kernels_are_those_of_the_table() -> None:
    spec = spec_of("mixed", height=32, width=32)
    table = Renderer(spec).render(0, 30).parameters
    compared = 0
    for k in range(30):
        columns = columns_of(table, k)
        for item, row in enumerate(rows_of(columns)):
            if columns["kernel_width"][item]:
                expected = reference.growth_kernel(columns, item)
                np.testing.assert_allclose(growth_kernel(row), expected, rtol=1e-5, atol=1e-8)
                compared += 1
    assert compared > 15
