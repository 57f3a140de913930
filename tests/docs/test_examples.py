"""The commands and the Python of the documents are run, in their order and with small data, and print what they say."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import pytest

from tests.commands import ROOT
from tests.docs.blocks import Block, to_run
from tests.docs.material import SEQUENCES, for_readme, for_recipes, for_training

SERVE = "datagen serve"
"""The one command that does not end by itself."""
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "OMP_NUM_THREADS": "1",
    "DATAGEN_PORT": "0",
}
FEW = f"--n {SEQUENCES}"


@dataclass(frozen=True, kw_only=True)
class Example:
    """How a document is run."""

    prepare: Callable[[Path], None] = lambda _folder: None
    """Writes what its commands read and none of them makes, and small configurations."""
    changes: tuple[tuple[str, str], ...] = ()
    """What in its text would take hours, and what takes seconds."""
    leaves: tuple[str, ...] = ()
    """Files that must lie there afterwards."""


EXAMPLES = {
    "README.md": Example(
        prepare=for_readme,
        changes=(
            (
                "datagen render --property translation --size 32",
                f"for p in translation rotation intensity; do datagen render --property $p --size 32 {FEW}; done",
            ),
            ("--config dynamic-mnist", "--config ../small.yaml"),
        ),
        leaves=("forecast/runs/first/evaluation.json", "forecast/runs/first/report.html"),
    ),
    "docs/index.md": Example(leaves=("rotation.zarr/zarr.json", "rotation.gif")),
    "docs/training.md": Example(
        prepare=for_training,
        changes=(
            ("trainer fit --model stmoe-id", "trainer fit --config small.yaml --model stmoe-id"),
            ("--config pedestrian-small", "--config pedestrian.yaml"),
            ("--config radar-small", "--config radar.yaml"),
            ("trainer reproduce table1", "trainer reproduce table1 --dry-run"),
        ),
        leaves=(
            *(f"runs/{name}/config.yaml" for name in ("first", "stmoe-id", "experts", "kth", "rain")),
            *(f"{name}.zarr/zarr.json" for name in ("kth", "kitti", "dtdb", "mine", "rain", "moving-mnist")),
        ),
    ),
    "docs/results/recipes.md": Example(
        prepare=for_recipes, changes=(("--n 10000", FEW),), leaves=("run/evaluation.json",)
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("document", EXAMPLES)
def test_a_document_can_be_followed(document: str, tmp_path: Path) -> None:
    example = EXAMPLES[document]
    example.prepare(tmp_path)
    stale = {before for before, _ in example.changes}
    for block in to_run(document):
        text = block.text
        for before, after in example.changes:
            stale -= {before} if before in text else set()
            text = text.replace(before, after)
        run(block, text, tmp_path)
    assert not stale, "these are no longer in the document"
    assert [name for name in example.leaves if not (tmp_path / name).exists()] == []


def run(block: Block, text: str, folder: Path) -> None:
    """Run a block and compare what it prints with what it says that it prints."""
    if block.language == "console":
        for part in text.split("$ ")[1:]:
            command, _, output = part.partition("\n")
            assert finished(["sh", "-e", "-c", command], folder, block) == output, f"{block.place}: {command}"
    elif block.language == "python":
        printed = finished([sys.executable, "-c", text], folder, block).splitlines()
        assert [said for said in re.findall(r"print\(.*\)  # (.*)", text) if said not in printed] == []
    elif text.startswith(SERVE):
        serve(folder)
    else:
        finished(["sh", "-e", "-c", text], folder, block)


def finished(command: list[str], folder: Path, block: Block) -> str:
    """Run a command to its end and return what it printed."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.place}: {done.stderr[-2000:]}"
    return done.stdout


def serve(folder: Path) -> None:
    """Start the service, wait for its address, and stop it."""
    with subprocess.Popen(
        SERVE.split(), cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline()
        process.send_signal(SIGTERM)
        assert process.wait(60) == 0
    assert address.startswith("http://127.0.0.1:")
