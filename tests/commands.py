"""Run `datagen` as its users do: in this process, or as a process of its own."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from datagen.cli import main

ROOT = Path(__file__).parent.parent
PROGRAM = (sys.executable, "-c", "from datagen.cli import main; main()")


@dataclass(frozen=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """Return the message of a command that failed, which is one line, the last."""
        *talk, last = self.err.splitlines()
        assert last.startswith("error: "), self.err
        assert not any("Traceback" in line for line in talk), self.err
        return last.removeprefix("error: ")


def run(*arguments: str | Path) -> Done:
    """Run a command in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def start(
    *arguments: str | Path, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a command as a process of its own."""
    return subprocess.Popen(
        [*PROGRAM, *(str(argument) for argument in arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> Done:
    """Wait for a process."""
    out, err = process.communicate(timeout=240)
    return Done(process.returncode, out, err)
