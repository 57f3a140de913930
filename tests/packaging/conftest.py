"""Distributions and what else all environments share: built once, whichever process of pytest-xdist comes first."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from datagen import render_store
from tests.commands import ROOT
from tests.packaging.environments import uv
from tests.reference.specs import spec_of


@dataclass(frozen=True)
class Distributions:
    """What a release would upload, and the wheel that a checkout gives without the way through an sdist."""

    sdist: Path
    wheel: Path
    wheel_of_checkout: Path


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Return a folder that all processes of this session share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "packaging"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def distributions(shared: Path) -> Distributions:
    """Build the checkout."""
    release, direct = shared / "release", shared / "direct"
    with FileLock(shared / "build.lock"):
        if not direct.exists():
            uv("build", "--out-dir", release, ROOT)
            uv("build", "--wheel", "--out-dir", shared / "unfinished", ROOT)
            (shared / "unfinished").rename(direct)
    (sdist,) = release.glob("*.tar.gz")
    (wheel,) = release.glob("*.whl")
    (wheel_of_checkout,) = direct.glob("*.whl")
    return Distributions(sdist, wheel, wheel_of_checkout)


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store of small sequences, as another machine might have rendered it."""
    splits = {"train": 12, "validation": 4, "test": 4}
    path = tmp_path_factory.mktemp("rendered") / "rotation.zarr"
    render_store(spec_of("rotation", frames=4, height=16, width=16, splits=splits), 20, path, workers=1)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder for an environment, which is gone when the test is over."""
    assert shutil.disk_usage(tmp_path).free > 2**31, "an environment with torch needs 2 GB"
    return tmp_path
