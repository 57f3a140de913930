"""The README is short, and what it links to is there."""

import re

from tests.commands import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_LINES = 250


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) < MAX_LINES
    links = re.findall(r"\]\(([^)]+)\)", README)
    pictures = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs/pictures").iterdir()}
    assert pictures <= set(links), "drawn and shown nowhere"
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing
