"""The command `datagen` as a process: how long it takes, what it holds at most, and what it reports."""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATAGEN = Path(sys.executable).with_name("datagen")
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in which the system counts the peak of a process."""


@dataclass(frozen=True)
class Finished:
    """A process that did what it was asked for."""

    seconds: float
    """From its start to its end, the interpreter's own start included."""
    peak_bytes: int
    """Largest resident memory."""
    output: str


def run(*command: object, **environment: str) -> Finished:
    """
    Run a command to its end; print what it said and exit if it fails.

    The peak starts at the memory of the process that calls this, since exec counts what was there before; so a script
    that reports peaks imports nothing large.
    """
    with tempfile.TemporaryFile("w+") as talk:
        start = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603, commands of these scripts alone, and no shell
            [str(word) for word in command],
            stdout=subprocess.PIPE,
            stderr=talk,
            text=True,
            env={**os.environ, **environment},
        )
        output = process.stdout.read() if process.stdout else ""
        # Popen.wait() would forget the resources.
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            talk.seek(0)
            sys.exit(f"{' '.join(process.args)} ended with {process.returncode}:\n{talk.read()}")
    return Finished(seconds, used.ru_maxrss * RSS_UNIT, output)


def render(out: Path, *options: object) -> tuple[Finished, dict[str, Any]]:
    """Run `datagen render --property rotation`; return also its report, the fields of a RenderReport."""
    finished = run(DATAGEN, "render", "--property", "rotation", "--out", out, "--json", *options)
    return finished, json.loads(finished.output)


def own_peak_bytes() -> int:
    """Return the peak of this process, below which that of a child cannot be seen."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT


def clearing(folder: Path) -> Callable[[], None]:
    """Return a task that empties a folder and waits until the disk is idle, so that no task pays for the one before."""

    def clear() -> None:
        for entry in folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        os.sync()

    return clear
