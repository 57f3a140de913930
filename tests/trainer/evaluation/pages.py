"""Pages as tests read them: elements, words and tables, checked for what HTML asks."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"img", "meta", "link", "br", "input", "source"}


@dataclass
class Page(HTMLParser):
    """
    A page that was read; tags that are not closed in order fail.

    Attributes
    ----------
    elements : name and attributes of every element in order
    tables : by caption, rows of the texts of their cells
    words : all text outside of style
    """

    text: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self._caption = ""
        self.feed(self.text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"{tag} has an attribute twice"
        if tag not in VOID:
            self._open.append(tag)
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "table":
            assert len({len(row) for row in self._rows}) == 1, self._rows
            self.tables[self._caption] = self._rows
            self._rows, self._caption = [], ""

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words += data
        if "caption" in self._open:
            self._caption += data
        if self._open[-1:] in (["td"], ["th"]):
            self._rows[-1][-1] += data

    def attributes(self, name: str) -> list[str]:
        """Return the values of an attribute wherever it stands."""
        return [value for _, attributes in self.elements for key, value in attributes.items() if key == name and value]
