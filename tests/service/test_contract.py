"""What the service says of itself is what it does: schemathesis over every operation, and what it cannot think of."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from datagen.service import openapi
from tests.service.running import SMALL, running

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LIMITS = {"reply_bytes": 2**18, "store_bytes": 2**18, "queued_jobs": 4}
"""Small, so that what is generated is soon rendered or refused."""
EXAMPLES = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


SCHEMA = schemathesis.openapi.from_path(openapi.FILE)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a service with small limits, one spec and one store."""
    with running(tmp_path_factory.mktemp("contract"), **LIMITS) as client:
        client.post("/v1/specs", json=SMALL)
        client.post("/v1/renders", json={"spec": SMALL, "n": 3, "name": "a"})
        yield str(client.base_url)


@pytest.mark.slow
@SCHEMA.parametrize()
@EXAMPLES
def test_every_operation_answers_as_it_says(url: str, case: schemathesis.Case) -> None:
    case.call_and_validate(base_url=url, checks=CHECKS)


def test_the_file_is_what_the_service_says(client: httpx2.Client, tmp_path: Path) -> None:
    assert client.get("/openapi.json").json() == json.loads(openapi.FILE.read_text())
    assert openapi.main(["--check"]) == 0
    other = tmp_path / "openapi.json"
    assert openapi.main(["--check"], other) == 1
    assert openapi.main([], other) == 0
    assert other.read_bytes() == openapi.FILE.read_bytes()
