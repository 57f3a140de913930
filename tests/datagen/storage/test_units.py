"""Units and pieces: partitions of 0 .. n-1 that depend on the spec's layout alone."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.storage.units import Unit, equal_units, pieces, unit_at, unit_count, units
from schemas.errors import InputError
from schemas.render import MAX_SEQUENCES
from schemas.store import unit_sequences
from tests.stores import chunks_of, tiny_spec

SPEC = tiny_spec()


@given(n=st.integers(1, 200), chunk=st.sampled_from([1, 2, 4]))
def test_units_are_a_partition_and_only_the_last_is_shorter(n: int, chunk: int) -> None:
    with chunks_of(chunk):
        found = list(units(SPEC, n))
        assert [i for unit in found for i in range(unit.start, unit.stop)] == list(range(n))
        assert {len(unit) for unit in found[:-1]} <= {unit_sequences(SPEC)}
        assert 1 <= len(found[-1]) <= unit_sequences(SPEC)
        assert found == [unit_at(SPEC, n, index) for index in range(unit_count(SPEC, n))]


@given(n=st.integers(1, 150), more=st.integers(0, 100))
def test_a_larger_n_leaves_every_whole_unit_as_it_is(n: int, more: int) -> None:
    with chunks_of(2):
        whole = [unit for unit in units(SPEC, n) if len(unit) == unit_sequences(SPEC)]
        assert list(islice(units(SPEC, n + more), len(whole))) == whole


@given(start=st.integers(0, 5).map(lambda k: 32 * k), count=st.integers(1, 32), power=st.integers(0, 3))
def test_pieces_are_a_partition_and_never_cross_the_border_of_a_chunk(start: int, count: int, power: int) -> None:
    chunk, length = 8, 2**power
    found = list(pieces(Unit(0, start, start + count), length))
    assert [i for piece in found for i in range(piece.start, piece.stop)] == list(range(start, start + count))
    assert all(piece.start // chunk == (piece.stop - 1) // chunk for piece in found)
    assert all(len(piece) == length for piece in found[:-1])


def test_the_most_sequences_that_an_index_can_name_take_no_list() -> None:
    length = unit_sequences(SPEC)
    assert list(islice(units(SPEC, MAX_SEQUENCES), 2)) == [Unit(0, 0, length), Unit(1, length, 2 * length)]
    last = unit_at(SPEC, MAX_SEQUENCES, unit_count(SPEC, MAX_SEQUENCES) - 1)
    assert last.stop == MAX_SEQUENCES
    assert next(equal_units(MAX_SEQUENCES, 3)) == Unit(0, 0, 3)


@pytest.mark.parametrize("n", [0, -1, MAX_SEQUENCES + 1])
def test_an_n_that_is_none_is_refused_at_once(n: int) -> None:
    for counted in (unit_count, units):
        with pytest.raises(InputError, match=f"^n is {n}; give a number of sequences from 1 to {MAX_SEQUENCES}$"):
            counted(SPEC, n)
