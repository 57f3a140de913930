"""A Dask cluster of processes on loopback."""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.commands import ROOT
from tests.waiting import wait_for


class Cluster:
    """A scheduler and its workers of one thread, each a process of its own, ended with the test."""

    def __init__(self, folder: Path, stack: ExitStack, workers: int) -> None:
        self.folder = folder
        self.workers: list[subprocess.Popen[str]] = []
        self._stack = stack
        self.begin("0", workers)

    def begin(self, port: str, workers: int) -> None:
        """Start a scheduler, on port 0 on any that is free, and workers."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        quiet = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        self.scheduler = self._process(
            "scheduler", "--host", "127.0.0.1", "--port", port, *quiet, "--scheduler-file", str(file)
        )
        wait_for(lambda: address_in(file) is not None, self.scheduler)
        self.address = str(address_in(file))
        self.workers = [self.worker() for _ in range(workers)]

    def worker(self) -> subprocess.Popen[str]:
        """Start one more worker."""
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0")
        return self._process("worker", self.address, *options, "--local-directory", str(self.folder))

    def _process(self, kind: str, *arguments: str) -> subprocess.Popen[str]:
        log = self._stack.enter_context((self.folder / f"{kind}.log").open("a"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", kind, *arguments], cwd=ROOT, stdout=log, stderr=log, text=True
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process


def address_in(file: Path) -> str | None:
    """Return the address in a scheduler's file, or None before it is written."""
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["address"])
    except (FileNotFoundError, ValueError):
        return None
