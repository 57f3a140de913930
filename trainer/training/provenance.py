"""How a run came to be: command, versions and times, for whoever finds its folder."""

import json
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FILE = "run.json"
PACKAGES = ("stmoe-synth", "torch", "numpy", "zarr")


def write_provenance(run: Path) -> None:
    """Add this process's command to those that made the run; the folder is there."""
    commands = [*read_provenance(run).get("commands", []), {"time": _now(), "command": shlex.join(sys.argv)}]
    content = {"commands": commands, "versions": _versions(), "machine": platform.platform()}
    aside = run / f"{FILE}.partial"
    aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    aside.replace(run / FILE)


def read_provenance(run: Path) -> dict[str, Any]:
    """Return the commands, versions and machine of a run; nothing where none were written."""
    try:
        content = json.loads((run / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(content)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
