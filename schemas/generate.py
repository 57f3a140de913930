"""Write the contract's JSON Schemas, for editors and for other languages: `python -m schemas.generate [--check]`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.model import Model
from schemas.real_store import RealStoreAttributes
from schemas.recipe import Recipe
from schemas.render import RenderSpec
from schemas.run import RunConfig
from schemas.store import StoreAttributes

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FOLDER = Path(__file__).parent / "json"
MODELS: dict[str, type[Model]] = {
    "render_spec.json": RenderSpec,
    "run_config.json": RunConfig,
    "store_attributes.json": StoreAttributes,
    "recipe.json": Recipe,
    "real_store_attributes.json": RealStoreAttributes,
}


def json_schema(model: type[Model]) -> str:
    """Return the JSON Schema of a model as the text of its file."""
    schema = {"$schema": DIALECT, **model.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def drifted(folder: Path = FOLDER) -> list[Path]:
    """Return the files of a folder whose text is not what the models say now; missing ones included."""
    return [
        folder / name
        for name, model in MODELS.items()
        if not (folder / name).exists() or (folder / name).read_text(encoding="utf-8") != json_schema(model)
    ]


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the files that differ, or only name them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that differ")
    check = parser.parse_args(arguments).check
    files = drifted(folder)
    for file in files:
        if check:
            sys.stderr.write(f"error: {file} differs from its model; run python -m schemas.generate\n")
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json_schema(MODELS[file.name]), encoding="utf-8")
            sys.stdout.write(f"{file}\n")
    return 1 if check and files else 0


if __name__ == "__main__":
    sys.exit(main())
