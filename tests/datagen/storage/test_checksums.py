"""CRC-32C: published values, and pieces joined to what the whole would give."""

from itertools import pairwise

import google_crc32c
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from datagen.storage.checksums import checksum, joined


def octets(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


@pytest.mark.parametrize(
    ("data", "published"),
    [
        (b"123456789", 0xE3069283),  # the check value of the catalogue of parametrised CRC algorithms
        # RFC 3720, appendix B.4, which prints the bytes as they go over the wire
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums_are_the_published_ones(data: bytes, published: int) -> None:
    assert checksum(octets(data)) == published
    assert joined([(checksum(octets(data)), len(data))]) == published.to_bytes(4, "little")


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int32])
def test_an_array_counts_as_its_bytes(dtype: type[np.generic]) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    assert checksum(array) == checksum(octets(array.tobytes()))


@given(parts=st.lists(st.binary(max_size=40), max_size=8), padding=st.integers(0, 300))
def test_joined_pieces_give_the_checksum_of_the_whole(parts: list[bytes], padding: int) -> None:
    whole = b"".join(parts) + bytes(padding)
    assert joined([(checksum(octets(part)), len(part)) for part in parts], padding) == joined(
        [(checksum(octets(whole)), len(whole))]
    )


def test_pieces_of_megabytes_are_joined_too() -> None:
    whole = np.random.default_rng(0).integers(0, 256, 5 * 2**20 + 3, np.uint8)
    cuts = [0, 1, 2**20, 4 * 2**20 + 1, len(whole)]
    parts = [whole[low:high] for low, high in pairwise(cuts)]
    expected = int(google_crc32c.value(whole.tobytes()))
    assert joined((checksum(part), len(part)) for part in parts) == expected.to_bytes(4, "little")
