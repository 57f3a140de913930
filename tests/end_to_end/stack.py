"""The compose stack, built and started: by a Docker engine, or without one by the shared script that brings its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.shared_data import shared_file

ROOT = Path(__file__).parents[2]
COMPOSE = str(Path(sys.executable).with_name("docker-compose"))
FILES = (ROOT / "docker-compose.yml", ROOT / "docker" / "compose.cpu.yml")
STARTED = ("datagen", "dask-worker", "tensorboard")
"""Together they need both images."""
NO_ENGINE = 2
"""Exit code of the script where the engine cannot be installed or started."""
PROFILES = ("cluster", "watch", "train", "render")


@dataclass(frozen=True)
class Stack:
    """A running stack."""

    file: Path
    environment: dict[str, str]

    def compose(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command of compose; all profiles are on."""
        profiles = [word for name in PROFILES for word in ("--profile", name)]
        command = [COMPOSE, "--file", str(self.file), *profiles, *arguments]
        return _run(command, self.environment | environment, check=check)

    def docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine."""
        return _run(["docker", *arguments], self.environment, check=check)

    def container(self, service: str) -> str:
        """Return the id of a service's only container, also of one that has ended."""
        return self.compose("ps", "--all", "--quiet", service).stdout.strip()

    def inspected(self, container: str) -> dict[str, Any]:
        """Return what the engine knows of a container."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", container).stdout)
        return found[0]


def merged(override: Path, environment: dict[str, str]) -> Path:
    """Write the project's compose files and one more as one file, and return it."""
    files = [word for file in (*FILES, override) for word in ("--file", str(file))]
    everything = [word for name in PROFILES for word in ("--profile", name)]
    done = _run([COMPOSE, *files, *everything, "config"], os.environ | environment)
    file = override.with_name("merged.yml")
    file.write_text(done.stdout, encoding="utf-8")
    return file


def brought_up(file: Path) -> Stack:
    """Build what `STARTED` needs and start it; skip where containers can be neither run nor started."""
    if _engine_answers():
        stack = Stack(file, dict(os.environ))
        stack.compose("build", "datagen", "trainer")
        stack.compose("up", "--detach", "--wait", *STARTED)
        return stack
    if os.getuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("no Docker engine answers, and only root on Debian can start one")
    script = shared_file("tools/containers-up.sh")
    profiles = [word for name in PROFILES for word in ("--profile", name)]
    command = ["bash", str(script), "up", "-f", str(file), *profiles, "--timeout", "300", *STARTED]
    done = _run(command, dict(os.environ), check=False)
    if done.returncode == NO_ENGINE:
        pytest.skip(f"no Docker engine can be started here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    exported = _run(["bash", "-c", f'eval "$(bash {script} env)"; env -0'], dict(os.environ)).stdout
    environment = dict(pair.split("=", 1) for pair in exported.split("\0") if "=" in pair)
    return Stack(Path(environment.pop("COMPOSE_FILE")), environment)


def taken_down(stack: Stack) -> None:
    """Remove containers, networks and volumes; the images stay."""
    stack.compose("down", "--volumes", "--timeout", "5", check=False)


def _engine_answers() -> bool:
    return (
        shutil.which("docker") is not None and _run(["docker", "info"], dict(os.environ), check=False).returncode == 0
    )


def _run(command: list[str], environment: dict[str, str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    # Into files: an engine that is started by the command would hold a pipe open for ever.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        code = subprocess.call(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        out.seek(0)
        err.seek(0)
        done = subprocess.CompletedProcess(command, code, out.read(), err.read())
    assert code == 0 or not check, (
        f"{' '.join(command)} ended with {code}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    )
    return done
