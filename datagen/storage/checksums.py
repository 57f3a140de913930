"""CRC-32C of bytes that were written in pieces, in any order, by several threads."""

from collections.abc import Iterable
from functools import lru_cache

import google_crc32c
import numpy as np
from numpy.typing import NDArray

CHECKSUM_BYTES = 4


def checksum(data: NDArray[np.generic]) -> int:
    """Return the CRC-32C of an array's bytes; the array is C-contiguous."""
    # The package is untyped; its C code takes a writable NumPy array but no writable memoryview.
    return int(google_crc32c.value(data))


def joined(parts: Iterable[tuple[int, int]], padding: int = 0) -> bytes:
    """
    Return the CRC-32C of pieces put one after the other, as zarr stores it: 4 bytes, little endian.

    Parameters
    ----------
    parts : (checksum, length in bytes) of each piece, in order
    padding : zero bytes that follow the last piece
    """
    total = 0
    for part, length in parts:
        total = _past_zeros(total, length) ^ part
    if padding:
        total = int(google_crc32c.extend(total, bytes(padding)))
    return total.to_bytes(CHECKSUM_BYTES, "little")


def _past_zeros(value: int, length: int) -> int:
    """
    Move a checksum past `length` bytes: crc(a + b) = past_zeros(crc(a), len(b)) ^ crc(b).

    The move is linear over the bits of `value`, so the images of the 32 single bits decide it.
    """
    if not value:
        return 0
    images = _images_of_bits(length)
    moved = 0
    while value:
        lowest = value & -value
        moved ^= images[lowest.bit_length() - 1]
        value ^= lowest
    return moved


@lru_cache(maxsize=256)
def _images_of_bits(length: int) -> tuple[int, ...]:
    # extend() itself is the linear move plus a constant, so the package needs no table of ours. A run has a few dozen
    # different lengths (one for each array), and 8 MiB take 12 ms, once.
    zeros = bytes(length)
    constant = google_crc32c.extend(0, zeros)
    return tuple(int(google_crc32c.extend(1 << bit, zeros) ^ constant) for bit in range(32))
