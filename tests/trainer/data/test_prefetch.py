"""Batches on a device: the same as on the CPU, and what makes them is closed with them."""

from collections.abc import Generator

import pytest
import torch

from trainer.data.batches import Batch
from trainer.data.prefetch import on_device


class Counter:
    """Batches that hold their number, and whether who made them was ended."""

    def __init__(self, count: int, *, pin: bool = False) -> None:
        self.ended = False
        self.batches = self._made(count, pin)

    def _made(self, count: int, pin: bool) -> Generator[Batch]:
        try:
            for number in range(count):
                frames = torch.full((4, 3, 64, 64), number, dtype=torch.uint8, pin_memory=pin)
                index = torch.arange(4)
                yield Batch(arrays={"frames": frames}, index=index, source=index, paths=(), epoch=0, number=number)
        finally:
            self.ended = True


def test_closing_ends_what_makes_the_batches() -> None:
    counter = Counter(5)
    batches = on_device(counter.batches, torch.device("cpu"))
    assert next(batches).number == 0
    batches.close()
    assert counter.ended


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_batches_are_those_of_the_cpu() -> None:
    device = torch.device("cuda", 0)
    for count in (0, 1, 2, 7):
        counter = Counter(count, pin=True)
        batches = on_device(counter.batches, device)
        seen = [(batch.number, batch.frames.device, batch.frames.unique().tolist()) for batch in batches]
        assert seen == [(number, device, [number]) for number in range(count)]
        assert counter.ended
