"""The stack of the whole session, with a small run in place of the trainer's."""

import hashlib
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import yaml

from datagen.client import Client
from tests.end_to_end.stack import Stack, brought_up, merged, taken_down
from tests.trainer.tiny import PROPERTIES, tiny_fields

KEY = "a key of the end-to-end tests"
STORES = {name: f"/data/{name}.zarr" for name in (*PROPERTIES, "real")}
JOINT_STEPS = 200
"""Enough to be killed among them."""


@dataclass(frozen=True)
class Running:
    """The stack, and how its service is reached from here."""

    stack: Stack
    url: str

    def client(self) -> Client:
        """Return a client of the service."""
        return Client(self.url, KEY)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Build both images for CPUs and start service, cluster and TensorBoard."""
    folder = tmp_path_factory.mktemp("stack")
    port, curves = free_port(), free_port()
    fields = tiny_fields(STORES, schedule={"joint": {"steps": JOINT_STEPS, "validate_every": 50}})
    (folder / "run.yaml").write_text(yaml.safe_dump(fields), encoding="utf-8")
    (folder / "run.yaml").chmod(0o644)
    folder.chmod(0o755)
    override = folder / "override.yml"
    override.write_text(yaml.safe_dump({"services": {"trainer": {"volumes": [f"{folder}/run.yaml:/run.yaml:ro"]}}}))
    keys = [{"name": "test", "sha256": hashlib.sha256(KEY.encode()).hexdigest(), "scope": "admin"}]
    environment = {
        "DATAGEN_KEYS": json.dumps(keys),
        "DATAGEN_PORT": str(port),
        "TENSORBOARD_PORT": str(curves),
        "TRAINER_COMMAND": "fit --config /run.yaml --out /runs/small",
    }
    stack = brought_up(merged(override, environment))
    try:
        yield Running(stack, f"http://127.0.0.1:{port}")
    finally:
        taken_down(stack)


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
