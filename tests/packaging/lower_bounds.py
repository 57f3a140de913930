"""
Run the tests with the oldest versions that pyproject.toml allows: `make lower-bounds`, which writes lower-bounds.txt.

torch stays at the version of constraints.txt: each of its versions costs gigabytes, and few have a build without CUDA.
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.commands import ROOT
from tests.packaging.environments import CONSTRAINTS, places_of_wheels, uv

OUTCOME: Final = ROOT / "lower-bounds.txt"
ENVIRONMENT: Final = ROOT / ".venv-lower"
FOR_DEVELOPERS: Final = {"dev", "docs"}
NEWER_FOR_TOOLS: Final = {"pyyaml", "rich"}
"""Of these import-linter, moto and schemathesis, which no user has, ask for newer versions than the package does."""
CANNOT: Final = ("tests/test_architecture.py::test_import_contracts_are_kept",)
"""Draws with that newer rich, and looks at the code alone."""
ELSEWHERE: Final = ("tests/packaging", "tests/docs", "tests/end_to_end")
"""Tests that make environments of their own, build pages or containers: the versions here are none of theirs."""

Words = tuple[str | Path, ...]


def main(options: list[str]) -> int:
    """
    Resolve, install, test, and write what came of it.

    Parameters
    ----------
    options : for pytest; none for all tests that do not take long
    """
    with tempfile.TemporaryDirectory() as folder:
        pins = _resolved(Path(folder))
        _install(Path(folder), pins)
    asked = options or ["-m", "not slow"]
    left_out = [f"--ignore={path}" for path in ELSEWHERE] + [f"--deselect={name}" for name in CANNOT]
    code, last = _followed([str(ENVIRONMENT / "bin/python"), "-m", "pytest", *left_out, *asked])
    OUTCOME.write_text(_written(pins, shlex.join(asked), last), encoding="utf-8")
    return code


def _project() -> Mapping[str, list[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras: Mapping[str, list[str]] = project["optional-dependencies"]
    return extras


def _resolved(folder: Path) -> dict[str, str]:
    """Return the lowest version of each direct dependency of a user's, and the newest of theirs that fit."""
    extras = [word for name in _project() if name not in FOR_DEVELOPERS for word in ("--extra", name)]
    torch, out = folder / "torch.txt", folder / "resolved.txt"
    torch.write_text(f"torch=={_usual()['torch']}\n", encoding="utf-8")
    how: Words = ("--resolution", "lowest-direct", "--python-version", "3.11", "--override", torch, *places_of_wheels())
    uv("pip", "compile", *how, *extras, "--no-annotate", "--no-header", "--output-file", out, ROOT / "pyproject.toml")
    return _pins(out)


def _install(folder: Path, pins: Mapping[str, str]) -> None:
    constraints, tools, old = folder / "constraints.txt", folder / "tools.txt", folder / "old.txt"
    _write(constraints, {name: version for name, version in pins.items() if name not in NEWER_FOR_TOOLS})
    _write(old, {name: pins[name] for name in NEWER_FOR_TOOLS})
    tools.write_text("\n".join(_tools(pins)), encoding="utf-8")
    uv("venv", "--clear", "--python", sys.executable, ENVIRONMENT)
    extras = ",".join(name for name in _project() if name not in FOR_DEVELOPERS)
    given: Words = ("--constraint", constraints, "--override", old, *places_of_wheels())
    wanted: Words = ("--requirement", tools, "--editable", f"{ROOT}[{extras}]")
    uv("pip", "install", "--python", ENVIRONMENT / "bin/python", *given, *wanted)


def _tools(pins: Mapping[str, str]) -> list[str]:
    """Return what tests need beside the package, at the versions of every other run of the tests."""
    usual = _usual()
    parts = [re.match(r"([\w.-]+)(\[.*?\])?", wanted) for wanted in _project()["dev"]]
    named = [(part[1], part[2] or "") for part in parts if part]
    return [f"{name}{extra}=={usual[name]}" for name, extra in named if name in usual and name not in pins]


def _usual() -> dict[str, str]:
    return _pins(CONSTRAINTS)


def _pins(file: Path) -> dict[str, str]:
    lines = (line.partition("==") for line in file.read_text(encoding="utf-8").splitlines())
    return {name: version for name, equals, version in lines if equals and not name.startswith("#")}


def _write(file: Path, pins: Mapping[str, str]) -> None:
    file.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()), encoding="utf-8")


def _followed(command: Sequence[str]) -> tuple[int, str]:
    """
    Run the tests before the reader's eyes; return the exit code and the last line.

    The kernels lie in a folder of their own: two versions of Numba would overwrite each other's beside the sources.
    """
    last, variables = "", os.environ | {"NUMBA_CACHE_DIR": str(ENVIRONMENT / "kernels")}
    with subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            last = line.strip() or last
    return process.returncode, last.strip("= ")


def _written(pins: Mapping[str, str], asked: str, last: str) -> str:
    today, python = datetime.now(UTC).date(), ".".join(map(str, sys.version_info[:3]))
    head = (
        "# The oldest versions that pyproject.toml allows, of torch the usual one. Written by `make lower-bounds`.",
        f"# {today}, Python {python}, pytest {asked}: {last}",
    )
    return "\n".join([*head, *(f"{name}=={version.partition('+')[0]}" for name, version in pins.items())]) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
