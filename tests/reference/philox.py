"""
Philox 4x32-10 in whole numbers of Python, from its definition.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A round multiplies two of the four counter
words, swaps the halves of the products and mixes in the key; before every round but the first the key is raised by
the Weyl constants. `KNOWN_ANSWERS` is published with Random123.
"""

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
_WORD = 2**32

Words = tuple[int, int, int, int]
Key = tuple[int, int]

KNOWN_ANSWERS: tuple[tuple[Words, Key, Words], ...] = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((_WORD - 1,) * 4, (_WORD - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)
"""(counter, key, output): zeros, ones, and the digits of pi."""


def philox(counter: Words, key: Key) -> Words:
    """Encrypt four counter words with two key words, all below 2**32."""
    c0, c1, c2, c3 = counter
    for number in range(ROUNDS):
        k0, k1 = ((word + number * weyl) % _WORD for word, weyl in zip(key, WEYL, strict=True))
        high0, low0 = divmod(MULTIPLIERS[0] * c0, _WORD)
        high1, low1 = divmod(MULTIPLIERS[1] * c2, _WORD)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
    return c0, c1, c2, c3


def block(seed: int, index: int, purpose: int, number: int) -> Words:
    """Return block `number` of a purpose's stream: key = seed, counter = (block, purpose, index low, index high)."""
    return philox((number, purpose, index % _WORD, index // _WORD), (seed % _WORD, seed // _WORD))


def uniform(seed: int, index: int, purpose: int, item: int, draw: int) -> float:
    """Return the 53 bits that a block starts with (32 of the first word, 21 of the second) as a number in [0, 1)."""
    first, second, _, _ = block(seed, index, purpose, item * 2**16 + draw)
    return (first * 2**21 + second // 2**11) / 2**53
