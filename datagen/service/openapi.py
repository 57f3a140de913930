"""Write schemas/json/openapi.json, for clients in other languages: `python -m datagen.service.openapi [--check]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from datagen.service.app import create_app
from datagen.service.settings import Settings
from schemas.generate import FOLDER

FILE = FOLDER / "openapi.json"


def openapi_text() -> str:
    """Return the text of the file: what /openapi.json answers, indented."""
    document = create_app(Settings(host="127.0.0.1", keys="", keys_file=None)).openapi()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str] | None = None, file: Path = FILE) -> int:
    """Write the file if it differs, or only say so; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m datagen.service.openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file differs")
    check = parser.parse_args(arguments).check
    text = openapi_text()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    if check:
        sys.stderr.write(f"error: {file} differs from the service; run python -m datagen.service.openapi\n")
        return 1
    file.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
