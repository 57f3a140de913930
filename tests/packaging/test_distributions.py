"""What a release would upload: the files it holds, and that each extra alone brings all that it promises, no more."""

import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.packaging import uses
from tests.packaging.conftest import Distributions
from tests.packaging.environments import Environment, create, remove
from tests.packaging.kernels import provide

PACKAGES = ("schemas", "datagen", "trainer")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FOR_DEVELOPERS = {"dev", "docs"}
NOT_OF_A_RELEASE = ("demo", ".venv", "build", "dist")

EVERYWHERE = {"google_crc32c"}  # zarr needs it
BRINGS = {
    "datagen": {"PIL", "filelock", "google_crc32c", "numba"},
    "service": {"fastapi", "fastapi_offline", "httpx2", "limits", "prometheus_client", "pydantic_settings", "uvicorn"},
    "dask": {"dask", "distributed"},
    "s3": {"aiohttp", "s3fs"},
    "cloud": {"aiohttp", "gcsfs", "s3fs"},
    "digits": {"sklearn"},
    "trainer": {"PIL", "filelock", "google_crc32c", "matplotlib", "tensorboard", "torch"},  # torch needs a file lock
    "real": {"av", "h5netcdf", "h5py", "pooch", "requests", "xarray"},
    "nowcasting": {"cv2", "pysteps"},
    "mlflow": {"mlflow"},
}
"""The modules that an extra is named for, all of which its environment must have, and no other environment may."""


@dataclass(frozen=True)
class Case:
    """
    An environment, and what a user installs it for.

    A few packages depend on what another extra brings: `through` names it, so that whatever comes besides is noticed.
    """

    use: Callable[[Environment, Path], None]
    beside: str = ""
    through: set[str] = field(default_factory=set)


CASES = {
    "": Case(uses.reads_and_says_what_is_missing),
    "datagen": Case(uses.renders),
    "service": Case(uses.serves, through=BRINGS["datagen"]),
    "dask": Case(uses.renders_on_a_cluster, beside="datagen"),
    "s3": Case(uses.forecasts_from_object_storage, beside="trainer"),
    "cloud": Case(uses.renders_into_object_storage, beside="datagen", through={"requests"}),
    "digits": Case(uses.renders_digits, beside="datagen"),
    "trainer": Case(uses.trains),
    "real": Case(uses.prepares_files, beside="trainer"),
    "nowcasting": Case(uses.moves_rain_on, beside="trainer"),
    "mlflow": Case(
        uses.sends_its_numbers_to_mlflow,
        beside="trainer",
        through={"aiohttp", "fastapi", "requests", "sklearn", "uvicorn"},
    ),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]  # an install that finds nothing in a cache downloads it


def test_every_extra_has_an_environment() -> None:
    assert CASES.keys() - {""} == BRINGS.keys() == PROJECT["optional-dependencies"].keys() - FOR_DEVELOPERS


@pytest.mark.parametrize("extra", CASES, ids=lambda extra: extra or "none")
def test_an_extra_brings_what_it_is_for(
    extra: str, place: Path, distributions: Distributions, shared: Path, rendered: Path
) -> None:
    case = CASES[extra]
    extras = {extra, case.beside} - {""}
    environment = create(place / "place", distributions.wheel, *sorted(extras))
    try:
        brought = set().union(*(BRINGS[name] for name in extras))
        assert brought - environment.modules == set()
        assert environment.modules & set().union(*BRINGS.values()) - brought - case.through - EVERYWHERE == set()
        if "numba" in environment.modules:
            provide(environment, shared / "kernels")
        case.use(environment, rendered)
    finally:
        remove(environment)


def test_a_wheel_holds_every_file_of_the_packages_and_no_other(distributions: Distributions) -> None:
    assert {name for name in names_in(distributions.wheel) if ".dist-info/" not in name} == files_of(*PACKAGES)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names_in(distributions.wheel))


def test_a_wheel_has_what_is_read_at_run_time(distributions: Distributions) -> None:
    held = names_in(distributions.wheel)
    for pattern in ("schemas/json/*.json", "datagen/service/page/*", "trainer/configs/*.yaml", "trainer/**/*.css"):
        there = {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
        assert there
        assert there <= held
    assert {f"{package}/py.typed" for package in PACKAGES} <= held


def test_the_way_through_an_sdist_changes_no_file(distributions: Distributions) -> None:
    assert contents(distributions.wheel) == contents(distributions.wheel_of_checkout)


def test_an_sdist_holds_sources_and_tests_but_no_results(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert files_of(*PACKAGES, "tests") <= names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "constraints.txt", "pyproject.toml"} <= names
    assert {name for name in names if name.startswith(NOT_OF_A_RELEASE)} == set()


def files_of(*folders: str) -> set[str]:
    """Return the files of some folders of the checkout, but those that Python makes itself."""
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in paths if "__pycache__" not in path.parts}


def names_in(wheel: Path) -> set[str]:
    """Return the names of a wheel's files."""
    return set(contents(wheel))


def contents(wheel: Path) -> dict[str, bytes]:
    """Return a wheel's files by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
