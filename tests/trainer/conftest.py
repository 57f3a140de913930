"""Tiny tensors are slower on several threads than on one, and pytest-xdist has its own processes."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
