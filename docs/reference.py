"""Write the generated pages of the documentation: `python -m docs.reference [--check]`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from docs.generators.commands import command_line
from docs.generators.configuration import run_page, spec_page
from docs.generators.data_sets import data_sets
from docs.generators.http_api import http_api
from docs.generators.python_api import python_api
from docs.generators.store_format import store_format

FOLDER = Path(__file__).parent / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": command_line,
    "data-sets.md": data_sets,
    "http-api.md": http_api,
    "python-api.md": python_api,
    "run-config.md": run_page,
    "spec.md": spec_page,
    "store-format.md": store_format,
}


def drifted(folder: Path = FOLDER) -> dict[Path, str]:
    """Return what the code says now, by the file of a folder that says something else or is missing."""
    texts = {folder / name: page() for name, page in PAGES.items()}
    return {file: text for file, text in texts.items() if not file.exists() or file.read_text(encoding="utf-8") != text}


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the files that differ, or only name them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m docs.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that differ")
    check = parser.parse_args(arguments).check
    files = drifted(folder)
    for file, text in files.items():
        if check:
            sys.stderr.write(f"error: {file} differs from the code; run python -m docs.reference\n")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{file}\n")
    return 1 if check and files else 0


if __name__ == "__main__":
    sys.exit(main())
