"""How a run came to be: command, versions and times, for whoever finds its folder."""

import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainer.machine import version_of

FILE = "run.json"
PACKAGES = ("stmoe-synth", "torch", "numpy", "zarr")


def write_provenance(run: Path, **computed: str) -> None:
    """
    Add this process's command to those that made the run; the folder is there.

    Parameters
    ----------
    computed : what the command does not say of how it computes, e.g. the precision; kept beside it
    """
    command = {"time": _now(), "command": shlex.join(_command()), **computed}
    commands = [*read_provenance(run).get("commands", []), command]
    content = {"commands": commands, "versions": _versions(), "machine": platform.platform()}
    aside = run / f"{FILE}.partial"
    try:
        aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        aside.replace(run / FILE)
    finally:
        aside.unlink(missing_ok=True)


def read_provenance(run: Path) -> dict[str, Any]:
    """Return the commands, versions and machine of a run; nothing where none were written."""
    try:
        content = json.loads((run / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return dict(content)


def _command() -> list[str]:
    """Return the command that started this process, and those beside it."""
    program, *arguments = sys.argv
    world = os.environ.get("WORLD_SIZE", "1")
    if world != "1":
        return ["torchrun", "--nproc-per-node", os.environ.get("LOCAL_WORLD_SIZE", world), "-m", "trainer", *arguments]
    if Path(program).name == "__main__.py":
        return ["python", "-m", "trainer", *arguments]
    return [program, *arguments]


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version_of(name) for name in PACKAGES}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
