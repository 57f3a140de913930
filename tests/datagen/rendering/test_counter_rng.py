"""Counter-based draws: the published generator, exact uniforms, and streams that do not know of each other."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray
from scipy import stats

from datagen.rendering import counter_rng
from datagen.rendering.counter_rng import between, direction, uniform, whole_between
from tests.reference import philox as reference

WORD = st.integers(0, 2**32 - 1)
LONG = st.integers(0, 2**64 - 1)
BELOW_ONE = 1 - 2.0**-53
UNLIKELY = 1e-4
"""Level of the statistical tests; seeds are fixed, so none of them flickers."""


@njit
def philox(words):  # type: ignore[no-untyped-def]
    return counter_rng.philox(words[0], words[1], words[2], words[3], words[4], words[5])


def draw(seed: int = 0, index: int = 0, purpose: int = 1, item: int = 0, number: int = 0) -> float:
    return float(uniform(np.uint64(seed), np.uint64(index), purpose, item, number))


def draws(count: int, **stream: int) -> NDArray[np.float64]:
    return np.array([draw(number=number, **stream) for number in range(count)])


@pytest.mark.parametrize(("counter", "key", "output"), reference.KNOWN_ANSWERS)
def test_philox_gives_the_published_known_answers(
    counter: reference.Words, key: reference.Key, output: reference.Words
) -> None:
    assert philox(np.array([*counter, *key], np.uint64)) == output
    assert reference.philox(counter, key) == output


@given(st.tuples(WORD, WORD, WORD, WORD), st.tuples(WORD, WORD))
def test_philox_is_its_definition(counter: reference.Words, key: reference.Key) -> None:
    assert philox(np.array([*counter, *key], np.uint64)) == reference.philox(counter, key)


def test_purposes_keep_their_numbers_which_are_part_of_the_format() -> None:
    names = ("SHAPE", "MOTION", "TEXTURE", "GROWTH", "GAUSSIAN", "WHITE", "PERLIN")
    assert [getattr(counter_rng, name) for name in names] == [1, 2, 3, 4, 5, 6, 7]


@given(LONG, LONG, st.integers(1, 7), st.integers(0, 15), st.integers(0, 2**16 - 1))
@example(0, 0, 1, 0, 0)
@example(2**64 - 1, 2**40 + 3, 7, 15, 2**16 - 1)
@example(2**32, 2**63 - 1, 1, 0, 0)
def test_uniform_is_a_function_of_all_64_bits_of_seed_and_index(
    seed: int, index: int, purpose: int, item: int, number: int
) -> None:
    assert draw(seed, index, purpose, item, number) == reference.uniform(seed, index, purpose, item, number)


@given(LONG, LONG, st.integers(0, 2**16 - 1))
def test_uniform_is_a_multiple_of_two_to_the_minus_53_in_the_unit_interval(seed: int, index: int, number: int) -> None:
    value = draw(seed, index, number=number)
    assert 0 <= value < 1
    assert (value * 2**53).is_integer()


def test_uniform_uses_all_53_bits() -> None:
    bits = np.array([int(value * 2**53) for value in draws(200)], np.int64)
    assert np.bitwise_or.reduce(bits) == 2**53 - 1
    assert np.bitwise_and.reduce(bits) == 0


@pytest.mark.parametrize("seed", [0, 1, 2**40, 2**64 - 1])
def test_uniforms_are_uniform_along_draws_and_along_sequences(seed: int) -> None:
    along_draws = draws(20_000, seed=seed)
    along_sequences = np.array([draw(seed, index) for index in range(20_000)])
    for values in (along_draws, along_sequences):
        assert stats.kstest(values, "uniform").pvalue > UNLIKELY
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 4 / math.sqrt(values.size)


def test_streams_that_differ_in_any_one_coordinate_are_independent() -> None:
    first = {"seed": 3, "index": 3, "purpose": 2, "item": 1}
    others = [
        *({"seed": seed} for seed in (0, 2, 4, 2**32 + 3, 2**63 + 3, 2**64 - 1)),
        *({"index": index} for index in (0, 2, 4, 2**32 + 3, 2**40 + 3, 2**63 - 1)),
        *({"purpose": purpose} for purpose in (1, 3, 4, 5, 6, 7)),
        *({"item": item} for item in (0, 2, 15)),
    ]
    streams = np.array([draws(4000, **{**first, **other}) for other in ({}, *others)])
    correlations = np.corrcoef(streams)[np.triu_indices(len(streams), 1)]
    assert np.abs(correlations).max() < 5 / math.sqrt(streams.shape[1])
    assert np.unique(streams).size == streams.size


def test_seed_and_index_do_not_stand_in_for_each_other() -> None:
    assert draw(seed=5, index=9) != draw(seed=9, index=5)
    assert draw(seed=2**32) != draw(index=2**32)


@given(st.tuples(LONG, LONG), st.integers(0, 127))
def test_flipping_one_bit_of_seed_or_index_changes_about_half_of_the_bits(pair: tuple[int, int], bit: int) -> None:
    seed, index = pair
    flipped = (seed ^ (1 << bit), index) if bit < 64 else (seed, index ^ (1 << (bit - 64)))
    changed = (int(draw(*pair) * 2**53) ^ int(draw(*flipped) * 2**53)).bit_count()
    assert abs(changed - 26.5) < 20  # 5.5 standard deviations


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, BELOW_ONE))
def test_between_stays_in_its_bounds_and_reaches_the_lower(low: float, length: float, u: float) -> None:
    high = low + length
    assert low <= between((low, high), u) <= high
    assert between((low, high), 0.0) == low
    assert between((low, low), u) == low


@given(st.integers(-1000, 1000), st.integers(0, 2**31))
@example(0, 0)
@example(0, 2)
@example(0, 2**20 - 1)
def test_whole_between_covers_both_ends_and_never_leaves_them(low: int, span: int) -> None:
    bounds = (low, low + span)
    assert whole_between(bounds, 0.0) == low
    assert whole_between(bounds, BELOW_ONE) == low + span


@pytest.mark.parametrize("bounds", [(1, 3), (3, 8), (0, 15), (-2, 2)])
def test_whole_between_is_as_likely_at_every_number(bounds: tuple[int, int]) -> None:
    numbers = np.array([whole_between(bounds, u) for u in draws(20_000, seed=11)])
    counts = np.bincount(numbers - bounds[0], minlength=bounds[1] - bounds[0] + 1)
    assert counts.size == bounds[1] - bounds[0] + 1
    assert stats.chisquare(counts).pvalue > UNLIKELY


@pytest.fixture(scope="module")
def directions() -> NDArray[np.float64]:
    """Twenty thousand directions, one of each sequence: (sequence, component)."""
    return np.array([direction(np.uint64(1), np.uint64(index), 2, 0, 1000) for index in range(20_000)])


def test_direction_has_length_one(directions: NDArray[np.float64]) -> None:
    assert np.abs(np.hypot(*directions.T) - 1).max() < 4e-16


def test_direction_is_as_likely_in_every_octant(directions: NDArray[np.float64]) -> None:
    x, y = directions.T
    octant = 4 * (x > 0) + 2 * (y > 0) + (np.abs(x) > np.abs(y))
    assert stats.chisquare(np.bincount(octant, minlength=8)).pvalue > UNLIKELY


def test_direction_is_uniform_in_angle(directions: NDArray[np.float64]) -> None:
    angles = np.arctan2(directions[:, 1], directions[:, 0]) / math.tau + 0.5
    assert stats.kstest(angles, "uniform").pvalue > UNLIKELY


def test_direction_rejects_points_outside_the_ring_and_takes_the_next_pair() -> None:
    def expected(index: int) -> tuple[float, float]:
        for first in range(1000, 2000, 2):
            x, y = (2 * reference.uniform(1, index, 2, 0, first + axis) - 1 for axis in (0, 1))
            if 0.1 <= math.hypot(x, y) <= 1:
                return x / math.hypot(x, y), y / math.hypot(x, y)
        raise AssertionError

    for index in range(200):
        np.testing.assert_allclose(direction(np.uint64(1), np.uint64(index), 2, 0, 1000), expected(index), rtol=1e-15)


def test_directions_of_neighbouring_items_and_sequences_are_unrelated() -> None:
    count = 3000
    angles = np.array(
        [
            [math.atan2(*direction(np.uint64(0), np.uint64(index), 2, item, 0)) for index in range(count)]
            for item in range(3)
        ]
    )
    pairs = [(angles[a], angles[b]) for a, b in product(range(3), repeat=2) if a < b] + [
        (angles[0, 1:], angles[0, :-1])
    ]
    for one, other in pairs:
        assert abs(np.mean(np.cos(one - other))) < 4 / math.sqrt(2 * count)
