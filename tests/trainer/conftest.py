"""One thread, since tiny tensors are slower on several and pytest-xdist has its own processes; stores to learn from."""

import pytest
import torch

from tests.trainer.tiny import render_stores


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the paths of small stores, one of each property and `real`."""
    return render_stores(tmp_path_factory.mktemp("stores"))
