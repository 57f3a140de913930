"""The few pieces of Markdown that generated pages are made of; a forge and the site read them alike."""

import re
from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by `python -m docs.reference` from the code; do not edit. -->"


def page(title: str, lead: str, sections: Iterable[str]) -> str:
    """Return a page with its title first."""
    return "\n\n".join((GENERATED, f"# {title}", lead, *sections)) + "\n"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; columns that are empty in every row are left out, and without a row it is ""."""
    cells = [list(row) for row in rows]
    kept = [place for place in range(len(headings)) if any(row[place] for row in cells)]
    if not kept:
        return ""
    lines = [[headings[place] for place in kept], ["---"] * len(kept)]
    lines += [[cell(row[place]) for place in kept] for row in cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(text: str) -> str:
    """Return text as it may stand between two bars of a table."""
    return re.sub(r"\s+", " ", text).replace("|", r"\|").strip()


def plain(text: str) -> str:
    """Return words of the code as Markdown that shows them as they are, and leaves `code` what it is."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def code(text: str) -> str:
    """Return text as code, also in a table: there the site and a forge do not agree on how a bar is escaped."""
    if "|" in text:
        return f"<code>{_escaped(text).replace('|', '&#124;')}</code>"
    return f"`{text}`" if text else ""


def anchor(heading: str) -> str:
    """Return what both the site and a forge call a heading in a link: lower case, words joined by -."""
    return re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


def _escaped(text: str) -> str:
    escaped = re.sub(r"([*\[\]]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return escaped.replace("<", "&lt;").replace(">", "&gt;")
