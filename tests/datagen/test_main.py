"""The program's entry point: what is installed as `datagen`, and an interrupt before anything is loaded."""

import subprocess
import sys
import tomllib

import pytest

from tests.commands import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULE, _, FUNCTION = PROJECT["scripts"]["datagen"].partition(":")

INTERRUPTED_WHILE_LOADING = """
import sys
class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
"""


@pytest.mark.parametrize(
    "entry",
    [
        f"from {MODULE} import {FUNCTION}; {FUNCTION}()",
        "import runpy; runpy.run_module('datagen', run_name='__main__')",
    ],
)
def test_an_interrupt_while_the_program_is_loaded_is_one_line(entry: str) -> None:
    code = f"{INTERRUPTED_WHILE_LOADING}\n{entry}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


def test_the_entry_point_runs_the_command_line() -> None:
    code = f"import sys; sys.argv[1:] = ['--version']; from {MODULE} import {FUNCTION}; {FUNCTION}()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("datagen ")
