"""n sequences as units, what is committed at once, and units as pieces, what one worker renders at once."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.errors import InputError
from schemas.render import MAX_SEQUENCES, RenderSpec
from schemas.store import unit_sequences


@dataclass(frozen=True)
class Unit:
    """Sequences start .. stop - 1; only the last unit of a store may be shorter than the others."""

    index: int
    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of sequences."""
        return self.stop - self.start

    def __str__(self) -> str:
        """Name the unit as messages do."""
        return f"unit {self.index}, sequences {self.start}-{self.stop - 1}"


def unit_count(spec: RenderSpec, n: int) -> int:
    """
    Return the number of units that hold n sequences.

    Raises
    ------
    InputError
        n is below 1 or beyond what an index can name.
    """
    if not 1 <= n <= MAX_SEQUENCES:
        raise InputError(f"n is {n}; give a number of sequences from 1 to {MAX_SEQUENCES}")
    return -(-n // unit_sequences(spec))


def units(spec: RenderSpec, n: int) -> Iterator[Unit]:
    """Yield the units of n sequences in order, one at a time, however many there are; n as for `unit_count`."""
    unit_count(spec, n)
    return equal_units(n, unit_sequences(spec))


def equal_units(n: int, length: int) -> Iterator[Unit]:
    """Yield the units of n sequences in order; each has `length` of them, only the last may have fewer."""
    return (Unit(index, start, min(n, start + length)) for index, start in enumerate(range(0, n, length)))


def unit_at(spec: RenderSpec, n: int, index: int) -> Unit:
    """Return unit `index` of n sequences."""
    length = unit_sequences(spec)
    return Unit(index, index * length, min(n, (index + 1) * length))


@dataclass(frozen=True)
class Piece:
    """Sequences start .. stop - 1 of one unit, all in one chunk."""

    start: int
    stop: int

    def __len__(self) -> int:
        """Return the number of sequences."""
        return self.stop - self.start


def pieces(unit: Unit, length: int) -> Iterator[Piece]:
    """
    Cut a unit into pieces that never cross the border of a chunk.

    Parameters
    ----------
    length : sequences of a piece, a divisor of the chunk's; the last piece of a unit may be shorter
    """
    for start in range(unit.start, unit.stop, length):
        yield Piece(start, min(unit.stop, start + length))
