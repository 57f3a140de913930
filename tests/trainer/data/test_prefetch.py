"""What is made ahead: the same things in the same order, and nothing left behind."""

import threading
from collections import deque
from collections.abc import Generator, Iterator
from itertools import islice

import pytest
import torch

from tests.waiting import wait_for
from trainer.data.prefetch import ahead_of

CPU = torch.device("cpu")


class Counter:
    """Numbers, and whether who made them was ended."""

    def __init__(self, stop: int) -> None:
        self.made = 0
        self.ended = False
        self.items = self._items(stop)

    def _items(self, stop: int) -> Generator[int]:
        try:
            for number in range(1, stop):
                self.made = number
                yield number
            raise ValueError("no number left")
        finally:
            self.ended = True


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("batches")}


def test_items_come_in_order_then_the_error() -> None:
    counter, seen = Counter(50), deque[int]()
    with pytest.raises(ValueError, match="no number left"):
        seen.extend(ahead_of(counter.items, 3, CPU))
    assert list(seen) == list(range(1, 50))
    assert counter.ended


def test_a_few_items_are_made_ahead_and_no_more() -> None:
    counter = Counter(50)
    items = ahead_of(counter.items, 3, CPU)
    assert next(items) == 1
    wait_for(lambda: counter.made == 4)
    assert list(islice(items, 5)) == [2, 3, 4, 5, 6]
    items.close()
    assert counter.made <= 9
    assert counter.ended


def test_an_end_is_an_end() -> None:
    def three() -> Iterator[int]:
        yield from (1, 2, 3)

    assert list(ahead_of(three(), 2, CPU)) == [1, 2, 3]  # type: ignore[arg-type]


def test_dropping_the_iterator_ends_its_thread() -> None:
    counter = Counter(10**6)
    items = ahead_of(counter.items, 2, CPU)
    next(items)
    assert threads()
    del items
    wait_for(lambda: not threads())
    assert counter.ended
