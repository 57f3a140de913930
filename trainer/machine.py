"""What this process runs on: the processors that it may use, and the version of this package."""

import os
from importlib.metadata import PackageNotFoundError, version


def cores() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def version_of(package: str = "stmoe-synth") -> str:
    """Return the version of an installed package, or "unknown"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
