"""The site is built without a warning, a broken link breaks it, and its generated pages are what the code says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs import reference
from tests.commands import ROOT


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return a copy of what the site is made of."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.gif"))
    for picture in (ROOT / "docs").rglob("*.gif"):
        (tmp_path / picture.relative_to(ROOT)).touch()
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    return tmp_path


def built(site: Path) -> subprocess.CompletedProcess[str]:
    """Build a site as `make docs` does."""
    (recipe,) = [
        line for line in (ROOT / "Makefile").read_text(encoding="utf-8").splitlines() if "mkdocs build" in line
    ]
    options = recipe.partition("mkdocs ")[2].split()
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", *options],
        cwd=site,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_site_is_whole_and_loads_nothing_from_elsewhere(site: Path) -> None:
    done = built(site)
    assert done.returncode == 0, done.stderr
    pages = list((site / "build/site").rglob("*.html"))
    assert len(pages) > len(reference.PAGES)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert 'src="http' not in text, page
        assert 'stylesheet" href="http' not in text, page


@pytest.mark.parametrize("added", ["[x](nowhere.md)", "[x](training.md#nowhere)", "[x](/training.md)"])
def test_a_broken_link_breaks_the_build(site: Path, added: str) -> None:
    with (site / "docs/design.md").open("a", encoding="utf-8") as file:
        file.write(f"\n{added}\n")
    done = built(site)
    assert done.returncode != 0
    assert "'design.md' contains" in done.stderr


def test_a_page_outside_the_navigation_breaks_the_build(site: Path) -> None:
    (site / "docs/lost.md").write_text("# Lost\n", encoding="utf-8")
    done = built(site)
    assert done.returncode != 0
    assert "lost.md" in done.stderr


def test_a_page_of_the_navigation_that_is_missing_breaks_the_build(site: Path) -> None:
    (site / "docs/design.md").unlink()
    done = built(site)
    assert done.returncode != 0
    assert "'design.md' is included in the 'nav'" in done.stderr


def test_generated_pages_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


def test_a_generated_page_that_differs_is_named_and_written_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reference.main([], tmp_path) == 0
    (tmp_path / "cli.md").write_text("# Other\n", encoding="utf-8")
    capsys.readouterr()
    assert reference.main(["--check"], tmp_path) == 1
    assert capsys.readouterr().err.count("error: ") == 1
    assert (tmp_path / "cli.md").read_text(encoding="utf-8") == "# Other\n"
    assert reference.main([], tmp_path) == 0
    assert reference.main(["--check"], tmp_path) == 0
