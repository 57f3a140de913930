"""One service for tests that change nothing in it."""

from collections.abc import Iterator

import httpx2
import pytest

from tests.service.running import running


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """Run a service for a module."""
    with running(tmp_path_factory.mktemp("service")) as client:
        yield client
