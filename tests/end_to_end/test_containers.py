"""Render over HTTP, train and report in containers, as an operator does; built from the Dockerfiles and really run."""

import json

import numpy as np
import pytest
import zarr

from schemas.render import RenderSpec
from tests.end_to_end.conftest import JOINT_STEPS, KEY, STORES, Running
from tests.reference.specs import spec_of
from tests.trainer.tiny import FRAMES, PROPERTIES, SEQUENCES, SIDE
from tests.waiting import wait_for

# The first test waits for the images: minutes.
pytestmark = [pytest.mark.containers, pytest.mark.slow, pytest.mark.timeout(1500)]

SIZE = {"frames": FRAMES, "height": SIDE, "width": SIDE}
LARGEST_IMAGE = 600e6
"""Bytes of the renderer's image."""
KILL = """
import os, pathlib, signal
for process in pathlib.Path("/proc").glob("[0-9]*"):
    if process.name not in ("1", str(os.getpid())) and b"fit" in (process / "cmdline").read_bytes().split(bytes(1)):
        os.kill(int(process.name), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def stores(running: Running) -> dict[str, RenderSpec]:
    """Render a store of each property and one that stands for real sequences, as jobs of the service."""
    specs = {kind: spec_of(kind, **SIZE, truth=("clean", "mask")) for kind in PROPERTIES}
    specs["real"] = spec_of("mixed", **SIZE, splits={"train": 12, "validation": 4, "test": 4})
    with running.client() as service:
        for name, spec in specs.items():
            service.render(spec, SEQUENCES, name)
            *_, last = service.follow(name)
            assert last.state == "finished"
    return specs


def test_the_images_are_small_and_run_without_rights(running: Running) -> None:
    size = int(running.stack.docker("image", "inspect", "--format", "{{.Size}}", "stmoe-datagen").stdout)
    assert size < LARGEST_IMAGE
    for service in ("datagen", "tensorboard"):
        known = running.stack.inspected(running.stack.container(service))
        assert known["HostConfig"]["ReadonlyRootfs"]
        assert known["HostConfig"]["CapDrop"] == ["ALL"]
        assert known["Config"]["User"] == "10001"
        assert {binding[0]["HostIp"] for binding in known["HostConfig"]["PortBindings"].values()} == {"127.0.0.1"}
        assert known["State"]["Health"]["Status"] == "healthy"


def test_each_image_lacks_what_the_other_program_needs(running: Running) -> None:
    tried = "import importlib.util as u, json; print(json.dumps([n for n in {} if u.find_spec(n)]))"
    for service, foreign in (("datagen", ["torch", "trainer"]), ("trainer", ["numba", "fastapi", "datagen"])):
        done = running.stack.compose(
            "run", "--rm", "--no-deps", "--entrypoint", "python", service, "-c", tried.format(foreign)
        )
        assert json.loads(done.stdout) == []


def test_the_service_is_refused_without_keys(running: Running) -> None:
    done = running.stack.compose("run", "--rm", "--env", "DATAGEN_KEYS=", "datagen", check=False)
    assert done.returncode == 1
    assert "there are no keys; set DATAGEN_KEYS" in done.stdout + done.stderr


def test_digits_and_the_kernels_of_the_image_are_used(running: Running) -> None:
    done = running.stack.compose(
        "run", "--rm", "--no-deps", "datagen",
        "datagen", "render", "--preset", "dynamic-mnist", "--n", "2", "--size", "32", "--out", "/tmp/two.zarr",
    )  # fmt: skip
    assert "compiling" not in done.stdout + done.stderr


def test_a_render_on_the_cluster_writes_the_sequences_of_one_machine(running: Running) -> None:
    spec = spec_of("rotation", **SIZE)
    done = running.stack.compose(
        "run", "--rm", "--no-deps", "datagen", "datagen", "render", "--property", "rotation",
        "--frames", str(FRAMES), "--size", str(SIDE), "--n", "40", "--out", "/data/cluster.zarr",
        "--scheduler", "tcp://dask-scheduler:8786",
    )  # fmt: skip
    assert "/data/cluster.zarr" in done.stdout
    headers = {"client_kwargs": {"headers": {"Authorization": f"Bearer {KEY}"}}}
    stored = zarr.open_group(f"{running.url}/v1/stores/cluster/zarr", mode="r", storage_options=headers)
    with running.client() as service:
        np.testing.assert_array_equal(stored["frames"][:8], service.sequences(spec, 0, 8)["frames"])


def test_a_trainer_that_is_killed_is_started_again_and_goes_on_to_its_report(
    running: Running, stores: dict[str, RenderSpec]
) -> None:
    assert set(stores) == set(STORES)
    running.stack.compose("up", "--detach", "--no-deps", "trainer")
    trainer = running.stack.container("trainer")
    wait_for(lambda: "gates" in _shown(running, "ls", "/runs/small/checkpoints"))
    running.stack.docker("exec", trainer, "python", "-c", KILL)
    wait_for(lambda: running.stack.inspected(trainer)["RestartCount"] == 1)
    wait_for(lambda: running.stack.inspected(trainer)["State"]["Status"] == "exited", patience=600)
    assert running.stack.inspected(trainer)["State"]["ExitCode"] == 0, running.stack.docker("logs", trainer).stderr

    record = json.loads(_shown(running, "cat", "/runs/small/run.json"))
    assert len(record["commands"]) == 2
    trained = [json.loads(line) for line in _shown(running, "cat", "/runs/small/log.jsonl").splitlines()]
    assert max(line["step"] for line in trained if line.get("phase") == "joint") == JOINT_STEPS
    running.stack.compose("run", "--rm", "--no-deps", "trainer", "evaluate", "/runs/small")
    running.stack.compose("run", "--rm", "--no-deps", "trainer", "report", "/runs/small")
    assert "<html" in _shown(running, "cat", "/runs/small/report.html")


def test_the_service_ends_well_and_comes_back(running: Running, stores: dict[str, RenderSpec]) -> None:
    datagen = running.stack.container("datagen")
    running.stack.compose("stop", "datagen")
    assert running.stack.inspected(datagen)["State"]["ExitCode"] == 0
    running.stack.compose("start", "datagen")
    wait_for(lambda: running.stack.inspected(datagen)["State"]["Health"]["Status"] == "healthy")
    with running.client() as service:
        assert set(stores) <= {store.name for store in service.stores()}


def _shown(running: Running, program: str, path: str) -> str:
    """Return what a program prints of a file in the volume of runs; nothing while it is not there."""
    return running.stack.compose("exec", "--no-TTY", "tensorboard", program, path, check=False).stdout
