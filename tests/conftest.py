"""What every test shares: reproducible hypothesis runs, and kernels compiled before several processes need them."""

import pytest
from hypothesis import HealthCheck, settings

# Derandomised: CI never fails on an example that the commit did not choose. No deadline: the first call may compile.
settings.register_profile(
    "house", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take --containers."""
    parser.addoption("--containers", action="store_true", help="build the images and run the stack (minutes)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave containers to `make containers`, which has a step of its own in CI."""
    if not config.option.containers:
        skip = pytest.mark.skip(reason="`make containers` runs it")
        for item in items:
            if "containers" in item.keywords:
                item.add_marker(skip)


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels before pytest-xdist starts its workers: compiling in several processes at once can crash."""
    starts_workers = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if starts_workers and not config.option.collectonly:
        from datagen.warmup import warm_up

        warm_up()
