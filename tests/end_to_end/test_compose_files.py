"""What the compose files and Dockerfiles say, for CUDA too, which no test here can run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datagen.service.settings import Settings
from schemas.run import PROPERTIES
from tests.end_to_end.stack import COMPOSE, FILES, PROFILES, ROOT
from trainer.asking import read_fields

DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
PUBLISHED = {"datagen", "tensorboard"}


def services(*files: Path, **environment: str) -> dict[str, Any]:
    """Return the services of a stack as compose understands them."""
    words = [word for file in files for word in ("--file", str(file))]
    profiles = [word for name in PROFILES for word in ("--profile", name)]
    done = subprocess.run(
        [COMPOSE, *words, *profiles, "config", "--format", "json"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_hadolint_has_nothing_to_say(file: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "--no-color", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_trainer_has_gpus_unless_the_file_for_cpus_is_given() -> None:
    (device,) = services(FILES[0])["trainer"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", -1, ["gpu"])
    assert not services(*FILES)["trainer"].get("deploy")
    assert services(*FILES)["trainer"]["image"] != services(FILES[0])["trainer"]["image"]


def test_nothing_is_published_beyond_loopback_and_nothing_writes_to_its_root() -> None:
    for name, service in services(FILES[0]).items():
        assert {port["host_ip"] for port in service.get("ports", [])} == ({"127.0.0.1"} if name in PUBLISHED else set())
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name


def test_a_dask_scheduler_is_reached_by_the_renderer_alone() -> None:
    every = services(FILES[0])
    meeting = {name for name, service in every.items() if "rendering" in service["networks"]}
    assert meeting == {"datagen", "dask-scheduler", "dask-worker", "render"}


def test_a_trainer_that_dies_is_started_again_with_what_the_environment_says() -> None:
    trainer = services(FILES[0], TRAINER_COMMAND="fit --config /run.yaml --out '/runs/two words'")["trainer"]
    assert trainer["restart"] == "on-failure:10"
    assert trainer["command"] == ["fit", "--config", "/run.yaml", "--out", "/runs/two words"]
    assert {volume["target"] for volume in trainer["volumes"] if not volume.get("read_only")} == {"/runs"}


def test_several_gpus_are_a_matter_of_the_entrypoint() -> None:
    assert services(FILES[0])["trainer"]["entrypoint"] == ["trainer"]
    several = services(FILES[0], TRAINER_ENTRYPOINT="torchrun --nproc-per-node 4 -m trainer")["trainer"]
    assert several["entrypoint"] == ["torchrun", "--nproc-per-node", "4", "-m", "trainer"]


def test_every_setting_of_the_service_reaches_it_but_those_that_the_image_decides() -> None:
    given = {name for name in services(FILES[0])["datagen"]["environment"] if name.startswith("DATAGEN_")}
    decided = {"host", "port", "hosts", "data_root", "keys_file", "allow_anonymous"}
    assert given == {f"DATAGEN_{name.upper()}" for name in Settings.model_fields if name not in decided}


def test_the_stores_of_a_render_are_those_that_the_usual_run_reads() -> None:
    script = services(FILES[0])["render"]["command"][-1]
    data = read_fields("dynamic-mnist")["data"]
    assert set(data["synthetic"].values()) == {f"{name}.zarr" for name in PROPERTIES}
    assert all(name in script for name in (*PROPERTIES, f"/data/{data['real']}"))


def test_no_secret_gets_into_an_image() -> None:
    for name, service in services(FILES[0], DATAGEN_KEYS="[]", AWS_SECRET_ACCESS_KEY="x", STMOE_TOKEN="y").items():
        assert not {"DATAGEN_KEYS", "AWS_SECRET_ACCESS_KEY", "STMOE_TOKEN"} & set(service["build"].get("args") or {}), (
            name
        )
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert not any(line.startswith("!.") for line in ignored)
