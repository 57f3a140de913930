"""Run `trainer` as its users do: in this process, or as a process of its own."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from tests.commands import ROOT, Done
from trainer.cli import main

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(*arguments: str | Path) -> Done:
    """Run a command in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def start(
    *arguments: str | Path, environment: Mapping[str, str] | None = None, program: Sequence[str] = ("-m", "trainer")
) -> subprocess.Popen[str]:
    """Start a command as a process of its own; `program` is what Python runs."""
    return subprocess.Popen(
        [sys.executable, *program, *(str(argument) for argument in arguments)],
        cwd=ROOT,
        env=ENVIRONMENT | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
