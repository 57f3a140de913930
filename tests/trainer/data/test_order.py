"""The order of a stream: a permutation in every epoch, mixed from eight places, and shared out to ranks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.order import LANES, Order, Place

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=30).filter(any)


def order_of(lengths: list[int], seed: int | None = 0) -> Order:
    return Order(np.array(lengths, np.int64), seed)


def sequences(order: Order, epoch: int, positions: range) -> list[tuple[int, int]]:
    """Return (block, sequence of the block) at some positions."""
    places = order.places(epoch, positions)
    return [(place.block, int(order.within(epoch, place.block)[place.within])) for place in places]


@given(LENGTHS, st.integers(0, 2**64 - 1), st.integers(0, 3))
def test_every_sequence_appears_once_an_epoch(lengths: list[int], seed: int, epoch: int) -> None:
    order = order_of(lengths, seed)
    expected = [(block, within) for block, length in enumerate(lengths) for within in range(length)]
    assert sorted(sequences(order, epoch, range(order.total))) == expected


@given(LENGTHS)
def test_without_a_seed_the_order_is_that_of_the_store(lengths: list[int]) -> None:
    order = order_of(lengths, None)
    expected = [(block, within) for block, length in enumerate(lengths) for within in range(length)]
    assert sequences(order, 0, range(order.total)) == expected


def test_an_order_is_the_same_for_ever() -> None:
    # A checkpoint of an earlier version goes on in this order.
    tape = [(1, 0), (1, 2), (1, 4), (2, 0), (2, 1), (0, 0), (0, 1), (0, 2), (1, 1), (1, 3)]
    assert order_of([3, 5, 2], 7).places(2, range(10)) == [Place(*place) for place in tape]
    assert order_of([8], 7).within(2, 0).tolist() == [4, 0, 7, 2, 6, 1, 5, 3]


@pytest.mark.parametrize("other", [order_of([6] * 20, 1), order_of([6] * 20, 2**63)])
def test_seeds_and_epochs_have_orders_of_their_own(other: Order) -> None:
    order = order_of([6] * 20, 0)
    whole = range(order.total)
    first = sequences(order, 0, whole)
    assert first != sequences(order, 1, whole)
    assert first != sequences(other, 0, whole)
    assert order.within(0, 3).tolist() != order.within(0, 4).tolist()


def test_every_place_of_an_epoch_is_as_likely_for_every_sequence() -> None:
    draws = 3000
    found = np.zeros((12, 12), int)
    for seed in range(draws):
        found[
            range(12), [4 * block + within for block, within in sequences(order_of([4, 4, 4], seed), 0, range(12))]
        ] += 1
    assert abs(found / draws - 1 / 12).max() < 0.025  # five standard deviations


def test_neighbours_come_from_eight_blocks() -> None:
    order = order_of([10] * 64)
    for start in range(0, order.total, LANES):
        assert len({place.block for place in order.places(0, range(start, start + LANES))}) == LANES


@pytest.mark.parametrize("world", [2, 4, 8])
def test_ranks_read_different_blocks(world: int) -> None:
    order = order_of([7] * 50)
    read = [{place.block for place in order.places(3, range(rank, order.total, world))} for rank in range(world)]
    assert sum(len(blocks) for blocks in read) <= 50 + LANES - 1  # one at the border of two lanes may be read twice


@given(LENGTHS, st.integers(1, 9), st.sampled_from([1, 2, 3, 8]))
def test_what_is_needed_next_is_read_ahead(lengths: list[int], batch: int, world: int) -> None:
    order = order_of(lengths)
    for epoch, position in ((0, position) for position in range(0, order.total, batch * world)):
        for rank in range(min(world, order.total - position)):
            ahead = order.ahead(epoch, position + rank, world)
            needed = {place.block for place in order.places(epoch, range(position + rank, position + rank + 1))}
            assert needed <= set(ahead[:LANES])


def test_the_next_epoch_is_read_ahead_at_the_end_of_one() -> None:
    order = order_of([4] * 40)
    last = order.ahead(0, order.total - LANES)
    assert {place.block for place in order.places(1, range(LANES))} <= set(last)
