"""Wait for what other processes do, never for a time to pass."""

import subprocess
import time
from collections.abc import Callable

PATIENCE = 120
"""Seconds until a test gives up, unless it says otherwise."""


def wait_for(condition: Callable[[], bool], *processes: subprocess.Popen[str], patience: float = PATIENCE) -> None:
    """Wait until something has happened; fail if one of the processes ends before, or nothing happens."""
    end = time.monotonic() + patience
    while not condition():
        for process in processes:
            assert process.poll() is None, "".join(process.communicate())
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)
