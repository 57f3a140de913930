"""A commit is checked by the commands that CI runs, so that none is green on one side alone."""

import re
from typing import Any

import yaml

from tests.commands import ROOT

TOO_LONG = {"demo", "tests", "containers"}
"""Steps of CI that take minutes."""
OF_THE_TESTS = {"architecture": ".venv/bin/python -m pytest -q tests/test_architecture.py"}
"""Hooks that are no step of CI, since its tests hold them; a slip that takes a second to find is found at once."""


def steps() -> dict[str, str]:
    """Return the commands of .ci/run by the names of its steps."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    return dict(re.findall(r"^ *step (\w+) (.+)$", script, re.MULTILINE))


def hooks() -> list[dict[str, Any]]:
    """Return all hooks of the configuration."""
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    return [hook for repository in configuration["repos"] for hook in repository["hooks"]]


def test_hooks_are_the_steps_of_ci_but_those_that_take_minutes() -> None:
    assert steps().keys() >= TOO_LONG
    quick = {name: command for name, command in steps().items() if name not in TOO_LONG}
    assert {hook["id"]: hook["entry"] for hook in hooks()} == quick | OF_THE_TESTS


def test_hooks_check_the_whole_checkout_at_every_commit() -> None:
    for hook in hooks():
        assert hook["always_run"]
        assert not hook["pass_filenames"]
        assert not hook.keys() & {"files", "exclude", "types", "types_or"}
