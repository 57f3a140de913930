"""A service on loopback in a thread of the test, or as a process of its own."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from datagen.service.app import create_app
from datagen.service.settings import Settings
from tests.commands import ROOT
from tests.waiting import wait_for

SMALL: dict[str, Any] = {"property": "mixed", "frames": 3, "height": 16, "width": 16}
"""Fields of a spec of small sequences."""


def settings(root: Path, **fields: Any) -> Settings:
    """Return settings of a service that keeps everything below a folder."""
    return Settings(**{"data_root": root, "port": 0, "threads": 2, "stop_seconds": 5, **fields})


@contextmanager
def running(root: Path, **fields: Any) -> Iterator[httpx2.Client]:
    """Run a service and yield a client of it."""
    config = uvicorn.Config(create_app(settings(root, **fields)), port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started or not thread.is_alive())
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


class Process:
    """A service as its operator starts it."""

    def __init__(self, root: Path, environment: Mapping[str, str] | None = None, *options: str) -> None:
        root.parent.mkdir(parents=True, exist_ok=True)
        self._log = (root.parent / f"{root.name}-{time.monotonic_ns()}.log").open("w+")  # a pipe would fill and block
        command = [sys.executable, "-m", "datagen", "serve", "--port", "0", "--data-root", str(root), *options]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.client = httpx2.Client(base_url=self.url or "http://none", timeout=30)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit code and what it logged."""
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        self.client.close()
        with self._log:
            self._log.seek(0)
            return self.process.returncode, self._log.read()


def job_over(client: httpx2.Client, name: str, seconds: float = 60) -> dict[str, Any]:
    """Return a job once it is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"/v1/renders/{name}").json()
        if job["state"] in ("finished", "failed", "cancelled"):
            return job
        time.sleep(0.02)
    raise AssertionError(f"{name} is not over after {seconds} s")
