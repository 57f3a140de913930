"""The oldest versions that pyproject.toml allows are those that `make lower-bounds` has tested."""

import tomllib

import pytest
from packaging.requirements import Requirement

from tests.commands import ROOT
from tests.packaging.lower_bounds import FOR_DEVELOPERS, OUTCOME

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TEXTS = [
    *PROJECT["dependencies"],
    *(
        text
        for extra, texts in PROJECT["optional-dependencies"].items()
        if extra not in FOR_DEVELOPERS
        for text in texts
    ),
]
REQUIREMENTS = [wanted for wanted in map(Requirement, TEXTS) if wanted.name != PROJECT["name"]]
TESTED = dict(line.split("==") for line in OUTCOME.read_text(encoding="utf-8").splitlines() if "==" in line)


@pytest.mark.parametrize("wanted", REQUIREMENTS, ids=lambda wanted: wanted.name)
def test_a_bound_admits_the_version_that_was_tested(wanted: Requirement) -> None:
    assert wanted.specifier.contains(TESTED[wanted.name]), "run make lower-bounds"


def test_every_dependency_has_a_bound() -> None:
    assert [
        str(wanted) for wanted in REQUIREMENTS if not any(">=" in bound.operator for bound in wanted.specifier)
    ] == []
