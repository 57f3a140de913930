"""The page of ratios is what the record of `benchmarks/run` gives, and reckons sizes as it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import ROOT

RESULTS = ROOT / "docs/results"
WRITE = "import sys, pathlib, performance; performance.write_page(*map(pathlib.Path, sys.argv[1:]))"


@pytest.mark.slow
def test_the_page_is_written_from_the_record(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    subprocess.run(
        [sys.executable, "-c", WRITE, RESULTS / "performance.json", page], cwd=ROOT / "benchmarks", check=True
    )
    assert page.read_text(encoding="utf-8") == (RESULTS / "performance.md").read_text(encoding="utf-8")
    assert {file.name for file in tmp_path.glob("*.png")} == {"performance-n.png", "performance-workers.png"}


def test_a_thousand_million_sequences_are_reckoned_from_the_measured_core() -> None:
    page = (RESULTS / "performance.md").read_text(encoding="utf-8")
    cost, size = re.search(r"\((\d+) µs each", page), re.search(r"takes ([\d,]+) bytes", page)
    row = re.search(r"\| 10\^9 \| (\d+) TB \| [\d,]+ \| (\d+) \|", page)
    assert cost is not None
    assert size is not None
    assert row is not None
    assert int(row[1]) == pytest.approx(int(size[1].replace(",", "")) * 1e9 / 1e12, rel=0.01)
    assert int(row[2]) == pytest.approx(int(cost[1]) * 1e9 / 1e6 / 3600, rel=0.01)
