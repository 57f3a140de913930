"""Noise: three fields of the distributions they are named for, mixed by weight, at the exact ratio."""

import math
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtr, ndtri

from datagen.rendering import mixture
from datagen.rendering.mixture import MEAN_PERLIN, NoisePlan, fill_noise, mixture_weights, sum_of_magnitudes
from datagen.rendering.sequence import Renderer, _noise_plan
from schemas import RenderSpec
from tests.reference import noise_mixture as reference
from tests.reference.perlin_mean import estimate

Field = NDArray[np.float32]
Shape = tuple[int, int, int]

ALONE: dict[str, dict[str, Any]] = {
    "gaussian": {"gaussian": 1, "white": 0, "perlin": 0},
    "white": {"gaussian": 0, "white": 1, "perlin": 0},
    "perlin": {"gaussian": 0, "white": 0, "perlin": 1},
}
MIXES: dict[str, dict[str, Any]] = {**ALONE, "equal": {}, "uneven": {"gaussian": 0.2, "white": 3, "perlin": 1}}
NEIGHBOURS = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (0, 0, 4), (0, 64, 0), (1, 1, 1)]
"""Lags in (time, y, x); 64 rows are a quarter of the frame, where the words of one Philox block lie."""
SIGMAS = 4.5
"""Statistical bounds in standard errors; seeds are fixed, so none of them flickers."""


def plan(**fields: Any) -> NoisePlan:
    """Return a plan of the fields as they are, before weights and normalisation: none unless given."""
    nothing = {"ratio": 1.0, "gaussian": 0.0, "white": 0.0, "perlin": 0.0, "octaves": 4}
    lattice = {"cells_per_pixel": 0.3, "cells_per_frame": 0.125, "drift": (0.0, 0.0)}
    return NoisePlan(**{**nothing, **lattice, **fields})


def scratch(shape: Shape) -> NDArray[np.uint32]:
    return np.full((2, 4, -(-shape[1] * shape[2] // 4)), 123, np.uint32)


def field(noise: NoisePlan, shape: Shape, seed: int = 0, index: int = 0) -> Field:
    out = np.full(shape, np.nan, np.float32)
    fill_noise(noise, np.uint64(seed), np.uint64(index), out, scratch(shape))
    return out


def render_spec(noise: dict[str, Any], **fields: Any) -> RenderSpec:
    small = {"property": "rotation", "frames": 3, "height": 16, "width": 20, "dtype": "float32"}
    return RenderSpec.parse({**small, **fields, "noise": noise})


def noise_of(noise: dict[str, Any], shape: Shape, seed: int = 0, index: int = 0) -> Field:
    """Return the noise that a spec gives its sequence, before it is scaled to the ratio."""
    frames, height, width = shape
    return field(_noise_plan(render_spec(noise, frames=frames, height=height, width=width)), shape, seed, index)


def kolmogorov_distance(values: Field, distribution: Any) -> float:
    """Return the largest distance between the values' distribution function and the given one."""
    steps = np.linspace(0, 1, values.size + 1)
    expected = distribution(np.sort(values, axis=None).astype(np.float64))
    return float(max(np.abs(steps[1:] - expected).max(), np.abs(steps[:-1] - expected).max()))


def largest_correlation(pairs: list[tuple[NDArray[Any], NDArray[Any]]]) -> float:
    """Return the largest correlation, of the values or of their magnitudes, in standard errors."""
    return max(
        abs(float(np.corrcoef(change(one).ravel(), change(other).ravel())[0, 1])) * math.sqrt(one.size)
        for one, other in pairs
        for change in (np.asarray, np.abs)
    )


def shifted(values: Field, lag: tuple[int, ...]) -> tuple[Field, Field]:
    """Return the values and their neighbours at a lag."""
    near = tuple(slice(None, size - step) for size, step in zip(values.shape, lag, strict=True))
    far = tuple(slice(step, None) for step in lag)
    return values[near], values[far]


@pytest.fixture(scope="module")
def gaussian() -> Field:
    """Four million Gaussian draws and more."""
    return field(plan(gaussian=1.0), (65, 256, 256), seed=2)


@pytest.fixture(scope="module")
def white() -> Field:
    """As many white ones."""
    return field(plan(white=1.0), (65, 256, 256), seed=2)


# The fields themselves.


def test_gaussian_is_normal_by_kolmogorovs_distance(gaussian: Field) -> None:
    assert gaussian.size >= 4_000_000
    distance = kolmogorov_distance(gaussian, ndtr)
    assert distance < 3e-3
    assert distance * math.sqrt(gaussian.size) < 2.2  # what four million true normals pass but once in 10,000 times


@pytest.mark.parametrize("sigma", [2.0, 3.0, 3.5, 4.0, 4.5])
def test_gaussian_has_the_tails_of_a_normal_on_both_sides(gaussian: Field, sigma: float) -> None:
    expected = gaussian.size * ndtr(-sigma)
    for beyond in (gaussian > sigma, gaussian < -sigma):
        assert abs(np.count_nonzero(beyond) - expected) < 4 * math.sqrt(expected)


def test_gaussian_has_the_moments_of_a_normal(gaussian: Field) -> None:
    values = gaussian.astype(np.float64)
    moments = [values.mean(), values.var() - 1, stats.skew(values, axis=None), stats.kurtosis(values, axis=None)]
    errors = np.sqrt(np.array([1, 2, 6, 24]) / values.size)
    assert (np.abs(moments) < 4 * errors).all()


def test_normal_quantiles_are_right_for_every_probability_from_the_last_bit_to_one_half() -> None:
    words = np.concatenate([np.arange(5000), np.arange(5000, 2**31, 1499), np.arange(2**31 - 5000, 2**31)])
    lower, upper = np.empty(words.size, np.float32), np.empty(words.size, np.float32)
    mixture._fill_normal(words.astype(np.uint32), np.float32(1), mixture._QUANTILES, lower)
    mixture._fill_normal((words + 2**31).astype(np.uint32), np.float32(1), mixture._QUANTILES, upper)
    probability = (words + 0.5) / 2**32
    np.testing.assert_allclose(lower, ndtri(probability), rtol=0, atol=2e-5)
    np.testing.assert_allclose(ndtr(lower.astype(np.float64)), probability, rtol=1e-4, atol=0)
    np.testing.assert_array_equal(upper, -lower)


def test_white_is_uniform_from_minus_one_to_one(white: Field) -> None:
    assert np.abs(white).max() <= 1
    assert kolmogorov_distance(white, lambda values: (values + 1) / 2) * math.sqrt(white.size) < 2.2
    assert white.min() < -1 + 1e-5
    assert white.max() > 1 - 1e-5


@pytest.mark.parametrize("name", ["gaussian", "white"])
def test_neighbours_in_x_y_and_t_are_unrelated(name: str, request: pytest.FixtureRequest) -> None:
    values = request.getfixturevalue(name)
    assert largest_correlation([shifted(values, lag) for lag in NEIGHBOURS]) < SIGMAS


def test_gaussian_and_white_are_unrelated(gaussian: Field, white: Field) -> None:
    assert largest_correlation([(gaussian, white)]) < SIGMAS


@pytest.mark.parametrize("name", ["gaussian", "white"])
def test_sequences_and_seeds_are_unrelated(name: str) -> None:
    streams = [(0, 0), (0, 1), (0, 2**40), (0, 2**63 - 1), (1, 0), (1, 1), (2**40, 0), (2**64 - 1, 0)]
    fields = [field(plan(**{name: 1.0}), (4, 64, 64), seed, index) for seed, index in streams]
    pairs = [(one, other) for k, one in enumerate(fields) for other in fields[:k]]
    assert largest_correlation(pairs) < SIGMAS


def test_perlin_differs_between_sequences_and_seeds() -> None:
    streams = list(product((0, 1, 2**40, 2**64 - 1), (0, 1, 2**40, 2**63 - 1)))
    fields = [noise_of(ALONE["perlin"], (1, 16, 16), seed, index) for seed, index in streams]
    differences = [np.abs(one - other).mean() for k, one in enumerate(fields) for other in fields[:k]]
    assert min(differences) > 0.2


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (2, 4, 4), (2, 7, 3)])
@pytest.mark.parametrize(("seed", "index"), [(0, 0), (2**64 - 1, 2**40 + 3)])
def test_every_field_is_its_definition(shape: Shape, seed: int, index: int) -> None:
    near: dict[str, Any] = {"rtol": 0, "atol": 2e-5}
    np.testing.assert_allclose(
        field(plan(gaussian=1.0), shape, seed, index), reference.gaussian_field(seed, index, shape), **near
    )
    np.testing.assert_allclose(
        field(plan(white=1.0), shape, seed, index), reference.white_field(seed, index, shape), **near
    )
    lattice: dict[str, Any] = {"octaves": 3, "cell": 0.4, "cell_frames": 2.5, "drift": (0.25, -0.5)}
    np.testing.assert_allclose(
        noise_of({**ALONE["perlin"], **lattice}, shape, seed, index) * MEAN_PERLIN[2],
        reference.perlin_field(seed, index, shape, **lattice),
        **near,
    )


def test_perlin_moves_with_its_drift() -> None:
    side = 32
    still = {**ALONE["perlin"], "octaves": 2, "cell_frames": 4096}
    frames = noise_of({**still, "drift": (3 / side, -2 / side)}, (3, side, side))
    for now, later in pairwise(frames):
        np.testing.assert_allclose(later[:-2, 3:], now[2:, :-3], rtol=0, atol=0.02)
        assert np.abs(later - now).mean() > 0.1
    assert np.abs(np.diff(noise_of(still, (3, side, side)), axis=0)).max() < 0.02


def test_perlin_is_smooth_in_space_and_time() -> None:
    values = noise_of({**ALONE["perlin"], "octaves": 1}, (20, 64, 64))
    steepest = 4 / MEAN_PERLIN[0]  # per cell: a fade rises by at most 15/8, gradients by 1, over both mean and cell
    assert np.abs(np.diff(values, axis=1)).max() < steepest / 16  # px in a cell
    assert np.abs(np.diff(values, axis=2)).max() < steepest / 16
    assert np.abs(np.diff(values, axis=0)).max() < steepest / 8  # frames in a cell
    assert np.abs(values[8:] - values[:-8]).mean() > 0.5


# Normalisation and weights.


@pytest.mark.parametrize("octaves", range(1, 9))
def test_every_field_is_brought_to_mean_magnitude_one(octaves: int) -> None:
    weights = mixture_weights(1, 1, 1, octaves)
    lattice = {"octaves": octaves, "cells_per_pixel": 1.37, "cells_per_frame": 5.3}
    fields = [plan(gaussian=weights[0]), plan(white=weights[1]), plan(perlin=weights[2], **lattice)]
    for noise in fields:
        values = np.array([field(noise, (4, 16, 16), index=index) for index in range(300)])
        assert abs(np.abs(values).mean() - 1) < 0.01
        assert abs(values.mean()) < 0.01


def test_table_of_perlins_means_is_right_to_one_percent() -> None:
    means = np.mean([estimate(1, replicate) for replicate in range(20)], axis=0)
    np.testing.assert_allclose(MEAN_PERLIN, means, rtol=0.01)


def test_mixture_is_the_weighted_sum_of_its_fields() -> None:
    shape = (2, 9, 14)
    single = {name: noise_of(weights, shape).astype(np.float64) for name, weights in ALONE.items()}
    for weights in ((1, 1, 1), (0.2, 3, 1), (2, 0, 5), (0, 1, 1), (1, 4, 0)):
        mixed = noise_of(dict(zip(ALONE, weights, strict=True)), shape)
        expected = sum(weight * single[name] for name, weight in zip(ALONE, weights, strict=True))
        np.testing.assert_allclose(mixed, expected, rtol=0, atol=1e-5)


def test_only_the_proportion_of_the_weights_matters() -> None:
    one, three = (
        Renderer(render_spec({"gaussian": k, "white": 2 * k, "perlin": 3 * k})).render(5, 2).frames for k in (1, 3)
    )
    np.testing.assert_allclose(one, three, rtol=0, atol=1e-5)


def test_fields_of_weight_zero_are_not_computed() -> None:
    shape = (2, 8, 8)
    never = {"cells_per_pixel": math.nan, "cells_per_frame": math.nan}  # the lattice would give NaN
    for name, used in {"gaussian": 0, "white": 1}.items():
        out, words = np.full(shape, np.nan, np.float32), scratch(shape)
        fill_noise(plan(**{name: 1.0}, **never), np.uint64(0), np.uint64(0), out, words)
        assert np.isfinite(out).all()
        assert (words[1 - used] == 123).all()
        assert (words[used] != 123).all()


def test_frames_draw_the_same_noise_however_many_follow() -> None:
    np.testing.assert_array_equal(noise_of({}, (2, 9, 7)), noise_of({}, (5, 9, 7))[:2])


def test_sum_of_magnitudes_is_that_of_the_field() -> None:
    shape = (3, 37, 50)
    out = np.empty(shape, np.float32)
    weights = plan(gaussian=1.0, white=2.0, perlin=3.0)
    total = fill_noise(weights, np.uint64(0), np.uint64(0), out, scratch(shape))
    assert total == pytest.approx(np.abs(out.astype(np.float64)).sum(), rel=1e-6)


def test_sum_of_magnitudes_is_exact_enough_for_the_tallest_frame() -> None:
    tall = np.random.default_rng(0).normal(size=(4096, 1024)).astype(np.float32)
    assert sum_of_magnitudes(tall) == pytest.approx(np.abs(tall.astype(np.float64)).sum(), rel=1e-5)


# The noise ratio, through the public Renderer.


def measured_ratios(spec: RenderSpec, sequences: int) -> NDArray[np.float64]:
    """
    Measure sum |noise| / sum |clean| of a float32 spec's sequences: (sequence,).

    Frames are clipped, so the noise cannot be read off all of their pixels: those that are not clipped show its factor,
    and then all pixels must be clip(clean + factor * noise).
    """
    rendered = Renderer(spec).render(0, sequences)
    assert rendered.clean is not None
    ratios = np.empty(sequences)
    for index, (frames, clean) in enumerate(zip(rendered.frames, rendered.clean, strict=True)):
        noise = field(_noise_plan(spec), frames.shape, spec.seed, index).astype(np.float64)
        shown = (frames > 0) & (frames < 1)
        factor = ((frames - clean) * noise)[shown].sum() / (noise[shown] ** 2).sum()
        np.testing.assert_allclose(frames, np.clip(clean + factor * noise, 0, 1), rtol=0, atol=1e-6 * (1 + factor))
        ratios[index] = factor * np.abs(noise).sum() / clean.sum(dtype=np.float64)
    np.testing.assert_allclose(rendered.parameters["noise_ratio_measured"], ratios, rtol=1e-4)
    assert (rendered.parameters["noise_ratio"] == spec.noise.ratio).all()
    return ratios


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("ratio", [0.26, 0.70])
def test_noise_ratio_holds_for_every_one_of_a_thousand_sequences(mix: str, ratio: float) -> None:
    spec = render_spec({"ratio": ratio, **MIXES[mix]}, property="mixed", truth=["clean"])
    assert np.abs(measured_ratios(spec, 1000) - ratio).max() < 1e-3


@pytest.mark.parametrize("kind", ["translation", "rotation", "intensity", "mixed"])
@pytest.mark.parametrize("ratio", [0.01, 0.26, 0.70, 3.0])
def test_noise_ratio_holds_for_every_property(kind: str, ratio: float) -> None:
    spec = render_spec({"ratio": ratio}, property=kind, truth=["clean"], seed=2**64 - 1)
    assert np.abs(measured_ratios(spec, 50) - ratio).max() < 1e-3


@given(
    st.fixed_dictionaries(
        {
            "ratio": st.floats(0.001, 100),
            "gaussian": st.floats(0.001, 10),
            "white": st.floats(0, 10),
            "perlin": st.floats(0, 10),
            "octaves": st.integers(1, 8),
            "cell": st.floats(0.01, 4),
            "cell_frames": st.floats(0.1, 4096),
            "drift": st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
        }
    ),
    st.integers(1, 3),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**63 - 1),
)
@example({"ratio": 100}, 1, 1, 1, 0, 0)
def test_frames_of_any_noise_are_its_definition(
    noise: dict[str, Any], frames: int, height: int, width: int, seed: int, index: int
) -> None:
    shape = {"frames": frames, "height": height, "width": width}
    spec = render_spec(noise, **shape, seed=seed, truth=["clean"])
    rendered = Renderer(spec).render(index, 1)
    assert rendered.clean is not None
    clean = rendered.clean[0].astype(np.float64)
    added = noise_of(noise, rendered.frames.shape[1:], seed, index).astype(np.float64)
    factor = noise["ratio"] * clean.sum() / np.abs(added).sum()
    assert rendered.frames[0] == pytest.approx(np.clip(clean + factor * added, 0, 1), abs=1e-5 * (1 + noise["ratio"]))
    expected = noise["ratio"] if clean.any() else 0
    assert rendered.parameters["noise_ratio_measured"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_ratio_zero_is_the_clean_sequence_bit_for_bit(dtype: str) -> None:
    rendered = Renderer(render_spec({"ratio": 0}, truth=["clean"], dtype=dtype)).render(0, 20)
    assert rendered.clean is not None
    assert rendered.frames.any()
    assert rendered.frames.tobytes() == rendered.clean.tobytes()
    assert not rendered.parameters["noise_ratio_measured"].any()


def test_clean_truth_does_not_depend_on_the_noise() -> None:
    one, other = (Renderer(render_spec({"ratio": ratio}, truth=["clean"])).render(3, 4) for ratio in (0, 0.7))
    np.testing.assert_array_equal(one.clean, other.clean)
    assert (one.frames != other.frames).any()


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
def test_black_sequences_get_no_noise(dtype: str) -> None:
    rendered = Renderer(render_spec({"ratio": 0.7}, objects={"intensity": [0, 0]}, dtype=dtype)).render(0, 5)
    assert not rendered.frames.any()  # NaN would be true
    assert not rendered.parameters["noise_ratio_measured"].any()


def test_seeds_give_other_noise() -> None:
    seeds = (0, 1, 2**32, 2**64 - 1)
    fields = [noise_of({}, (2, 8, 8), seed) for seed in seeds]
    assert min(np.abs(one - other).mean() for k, one in enumerate(fields) for other in fields[:k]) > 0.5
