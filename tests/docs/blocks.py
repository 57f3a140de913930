"""The code blocks of the documents, which of them are commands, and what a document says of those that are not run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.commands import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
)

SHELLS = frozenset({"bash", "console", "sh", "shell"})
COMMANDS = SHELLS | {"py", "python"}
DATA = frozenset({"dockerfile", "http", "ini", "json", "text", "toml", "yaml"})
INDENTED = "indented"
PROGRAMS = frozenset(
    {
        *("apt-get", "cd", "curl", "datagen", "docker", "export", "for", "git", "kubectl", "make", "mkdir", "pip"),
        *("python", "python3", "sbatch", "sh", "source", "srun", "torchrun", "trainer", "ssh", "scp", "dask"),
        ".venv/bin/python",
    }
)
"""With which an indented block of commands begins."""
SIGNATURES = "docs/reference/python-api.md"
"""Its Python blocks show how a function is called; a generator writes them."""

_FENCE = re.compile(r"^(`{3,}|~{3,})\s*([\w-]*)")
_MARK = re.compile(r"^<!-- (not run: |run by )(.+?) -->$")
_INDENT = "    "


@dataclass(frozen=True, kw_only=True)
class Block:
    """A code block of a document."""

    document: str
    line: int
    language: str
    """Of its fence, or `INDENTED`."""
    text: str
    not_run: str | None = None
    """Why no test runs it, from the comment `<!-- not run: REASON -->` before it."""
    run_by: str | None = None
    """The test that runs it, from `<!-- run by FILE -->`; None for `test_examples.py` or the guide's own."""

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def is_command(self) -> bool:
        """Whether somebody may type it."""
        if self.language != INDENTED:
            return self.language in COMMANDS and self.document != SIGNATURES
        return self.text.split(maxsplit=1)[0] in PROGRAMS

    @property
    def is_data(self) -> bool:
        """Whether it is a file's text, or what a program prints."""
        if self.language != INDENTED:
            return self.language in DATA or self.document == SIGNATURES
        return isinstance(_loaded(self.text), dict | list)


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks_of(document: str, text: str | None = None) -> list[Block]:
    """Return the blocks of a document in its order."""
    return [block for block, _ in _parts(document, text_of(document) if text is None else text) if block]


def prose_of(document: str, text: str | None = None) -> str:
    """Return a document without its blocks."""
    return "\n".join(line for _, line in _parts(document, text_of(document) if text is None else text) if line)


def to_run(document: str) -> list[Block]:
    """Return the commands of a document that the test of the document has to run."""
    return [
        block for block in blocks_of(document) if block.is_command and block.not_run is None and block.run_by is None
    ]


def _parts(document: str, text: str) -> Iterator[tuple[Block | None, str]]:
    """Yield each block, and each line between blocks."""
    lines = text.splitlines()
    mark: re.Match[str] | None = None
    in_list, at = False, 0
    while at < len(lines):
        line = lines[at]
        fence = _FENCE.match(line.strip())
        blank_before = at == 0 or not lines[at - 1].strip()
        if fence:
            end = next(k for k in range(at + 1, len(lines)) if lines[k].strip().startswith(fence[1]))
            yield _block(document, at, fence[2] or "no language", lines[at + 1 : end], mark), ""
            mark, at = None, end + 1
        elif line.startswith(_INDENT) and line.strip() and blank_before and not in_list:
            end = at
            while end < len(lines) and (lines[end].startswith(_INDENT) or not lines[end].strip()):
                end += 1
            yield _block(document, at, INDENTED, [item[len(_INDENT) :] for item in lines[at:end]], mark), ""
            mark, at = None, end
        else:
            found = _MARK.match(line.strip())
            if line.strip():
                mark = found
                in_list = bool(re.match(r"\s*([-*]|\d+\.) ", line)) or (in_list and line.startswith(" "))
            if not found:
                yield None, line
            at += 1


def _block(document: str, at: int, language: str, lines: list[str], mark: re.Match[str] | None) -> Block:
    kind, said = (mark[1], mark[2]) if mark else ("", "")
    return Block(
        document=document,
        line=at + 1,
        language=language,
        text="\n".join(lines).strip("\n") + "\n",
        not_run=said if kind == "not run: " else None,
        run_by=said if kind == "run by " else None,
    )
