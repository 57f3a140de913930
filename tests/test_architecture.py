"""The layout as a test: who may import whom, what a start loads, and how large a module may be."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("schemas", "datagen", "trainer")
MODULES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60

# Beside the standard library; the first pattern that fits a module decides. What must never be imported, not even
# through others, stands in pyproject.toml as contracts of import-linter.
DATAGEN = {
    "schemas",
    "datagen",
    "numpy",
    "numba",
    "zarr",
    "fsspec",
    "click",
    "rich",
    "PIL",
    "yaml",
    "filelock",
    "pydantic",
}
TRAINER = {"schemas", "trainer", "torch", "numpy", "zarr", "fsspec", "click", "rich", "yaml"}
MAY_IMPORT: dict[str, set[str]] = {
    "schemas/*": {"schemas", "pydantic"},
    "datagen/rendering/bits.py": {"numpy", "numba", "llvmlite", "datagen"},
    "datagen/rendering/*": {"numpy", "numba", "datagen", "schemas"},
    "datagen/storage/checksums.py": DATAGEN | {"google_crc32c"},
    "datagen/storage/engine.py": DATAGEN | {"dask", "distributed"},
    "datagen/storage/machine.py": DATAGEN | {"llvmlite"},
    "datagen/storage/sprites.py": DATAGEN | {"sklearn"},
    "datagen/views/lazy.py": DATAGEN | {"dask"},
    "datagen/views/export.py": DATAGEN | {"av"},
    "datagen/client.py": {"schemas", "numpy", "pydantic", "httpx2"},
    "datagen/service/*": DATAGEN
    | {"fastapi", "starlette", "uvicorn", "limits", "prometheus_client", "pydantic_settings", "fastapi_offline"},
    "datagen/*": DATAGEN,
    "trainer/data/arrays.py": TRAINER | {"google_crc32c"},
    "trainer/models/*": {"trainer", "torch"},
    "trainer/training/losses.py": {"trainer", "torch"},
    "trainer/training/recording.py": TRAINER | {"tensorboard"},
    "trainer/training/mlflow_log.py": TRAINER | {"mlflow"},
    "trainer/evaluation/metrics.py": {"trainer", "torch"},
    "trainer/evaluation/figures.py": TRAINER | {"matplotlib", "PIL", "av"},
    "trainer/evaluation/arrows.py": TRAINER | {"matplotlib"},
    "trainer/reproduction/pictures.py": TRAINER | {"matplotlib"},
    "trainer/evaluation/extrapolation.py": TRAINER | {"cv2", "pysteps"},
    "trainer/sources/download.py": TRAINER | {"pooch", "requests"},
    "trainer/sources/radar/gridded.py": TRAINER | {"xarray"},
    "trainer/sources/radar/hdf5.py": TRAINER | {"h5py"},
    "trainer/sources/*": TRAINER | {"PIL", "av"},
    "trainer/*": TRAINER,
}

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def parsed(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), module)


def imported(module: str) -> set[str]:
    """Return the packages outside the standard library that a module imports anywhere, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(parsed(module)):
        match node:
            case ast.Import(names=aliases):
                names |= {alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(name), level=0):
                names.add(name.partition(".")[0])
    return names - sys.stdlib_module_names


def loaded_after(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def public_definitions(module: str) -> Iterator[tuple[str, Documented]]:
    """Yield the module and every public class, function and method in it that is not nested in a function."""
    tree = parsed(module)
    yield module, tree
    pending: list[tuple[str, ast.stmt]] = [(module, node) for node in tree.body]
    while pending:
        prefix, node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{prefix}:{node.name}", node
            if isinstance(node, ast.ClassDef):
                pending += [(f"{prefix}:{node.name}", child) for child in node.body]


def test_import_contracts_are_kept() -> None:
    lint_imports = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_modules_import_only_what_their_package_may() -> None:
    def beyond(module: str) -> set[str]:
        return imported(module) - next(may for pattern, may in MAY_IMPORT.items() if fnmatch(module, pattern))

    assert {module: beyond(module) for module in MODULES if beyond(module)} == {}


def test_every_import_rule_fits_a_module() -> None:
    assert [pattern for pattern in MAY_IMPORT if not any(fnmatch(module, pattern) for module in MODULES)] == []


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import schemas", {"numpy", "zarr", "datagen", "trainer"}),
        ("import datagen", {"torch", "trainer", "fastapi", "numba", "zarr", "dask"}),
        ("import trainer", {"datagen", "numba", "fastapi", "dask", "torch"}),
        (
            "import datagen.rendering.sequence",
            {"zarr", "fsspec", "click", "rich", "PIL", "dask", "torch", "trainer", "fastapi"},
        ),
        (
            "import datagen.cli\ntry: datagen.cli.main(['--help'])\nexcept SystemExit as end: assert not end.code",
            {"numba", "dask", "distributed", "zarr", "torch", "fastapi", "matplotlib", "trainer"},
        ),
        (
            "import trainer.cli\ntry: trainer.cli.main(['--help'])\nexcept SystemExit as end: assert not end.code",
            {"torch", "numpy", "zarr", "matplotlib", "datagen", "numba", "dask", "fastapi"},
        ),
    ],
)
def test_fresh_process_does_not_load(statement: str, absent: set[str]) -> None:
    assert loaded_after(statement) & absent == set()


def test_modules_are_short() -> None:
    lines = {module: len((ROOT / module).read_text(encoding="utf-8").splitlines()) for module in MODULES}
    assert {module: count for module, count in lines.items() if count > MAX_MODULE_LINES} == {}


def test_functions_are_short() -> None:
    lines = {
        f"{module}:{node.name}": node.end_lineno - node.lineno + 1
        for module in MODULES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    assert {name: count for name, count in lines.items() if count > MAX_FUNCTION_LINES} == {}


def test_everything_public_has_a_docstring() -> None:
    assert [
        name for module in MODULES for name, node in public_definitions(module) if not ast.get_docstring(node)
    ] == []
