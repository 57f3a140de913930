"""Virtual environments that hold one wheel with some of its extras and nothing else, and what runs in them."""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.commands import ROOT, Done

INTERPRETER = f"python{sys.version_info.major}.{sys.version_info.minor}"
CONSTRAINTS = ROOT / "constraints.txt"
PATIENCE = 900
"""Seconds for one command: an install that finds nothing in a cache downloads up to a gigabyte."""
OF_THIS_PROCESS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "NUMBA_CACHE_DIR")
"""Variables by which the checkout, or the environment of the tests, would show through."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the folder in which its commands run, which is empty at first."""

    folder: Path
    work: Path

    @property
    def site_packages(self) -> Path:
        """Return the folder of what is installed."""
        return self.folder / "lib" / INTERPRETER / "site-packages"

    @property
    def modules(self) -> set[str]:
        """Return the top-level names that can be imported, beside the standard library."""
        return {path.name.partition(".")[0] for path in self.site_packages.iterdir()}

    def start(self, program: str, *arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
        """Start a program of the environment."""
        return subprocess.Popen(
            [self.folder / "bin" / program, *map(str, arguments)],
            cwd=self.work,
            env=_surroundings() | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str, *arguments: str | Path, **variables: str) -> Done:
        """Run a program of the environment."""
        process = self.start(program, *arguments, **variables)
        out, err = process.communicate(timeout=PATIENCE)
        return Done(process.returncode, out, err)

    def printed(self, program: str, *arguments: str | Path, **variables: str) -> str:
        """Return what a program prints, which must succeed."""
        done = self.run(program, *arguments, **variables)
        assert done.code == 0, done.err
        return done.out


def create(folder: Path, wheel: Path, *extras: str) -> Environment:
    """Install a wheel with extras into a new environment."""
    environment = Environment(folder / "environment", folder / "work")
    environment.work.mkdir(parents=True)
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    uv("venv", "--python", sys.executable, environment.folder)
    python = environment.folder / "bin/python"
    uv("pip", "install", "--python", python, "--constraint", CONSTRAINTS, *places_of_wheels(), wanted)
    return environment


def remove(environment: Environment) -> None:
    """Delete an environment, of which ten would fill a disk where files cannot be hard-linked."""
    shutil.rmtree(environment.folder.parent)


def uv(*arguments: str | Path) -> None:
    """Run uv, which installs in a second what pip installs in a minute: it hard-links the files of its cache."""
    command = [sys.executable, "-m", "uv", "--quiet", *map(str, arguments)]
    done = subprocess.run(command, env=_surroundings(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"


@cache
def places_of_wheels() -> tuple[str, ...]:
    """Return the folders where pip is told to look for wheels, as options; uv does not read pip's configuration."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    settings = (line.partition("=") for line in listed.stdout.splitlines())
    places = [ast.literal_eval(value) for name, _, value in settings if name.endswith(".find-links")]
    folders = dict.fromkeys(folder for place in places for folder in place.split())
    return tuple(word for folder in folders for word in ("--find-links", folder))


def _surroundings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in OF_THIS_PROCESS}
