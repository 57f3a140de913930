"""Compiled kernels that one environment hands on to the next: they take a minute, and every wheel has the same ones."""

import shutil
from pathlib import Path

from filelock import FileLock

from tests.packaging.environments import Environment


def provide(environment: Environment, store: Path) -> None:
    """
    Compile the kernels of an environment, or copy those that an earlier one compiled.

    Numba takes them as its own, since the modules that they were compiled from have the same size and time stamp: those
    of the wheel. Where it does not, it compiles them again.

    Parameters
    ----------
    environment : has the extra `datagen`
    store : folder of the compiled kernels, shared by all processes of the tests
    """
    folder = environment.site_packages / "datagen/rendering/__pycache__"
    with FileLock(store.with_suffix(".lock")):
        if not store.exists():
            said = environment.printed("datagen", "warmup")
            assert Path(said.strip()) == folder
            _copy(folder, store)
    _copy(store, folder)


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.suffix in {".nbc", ".nbi", ".sha256"}:
            shutil.copy2(file, target)
