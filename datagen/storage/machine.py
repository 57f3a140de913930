"""Which type of machine renders: on one type frames are identical, on another they may differ by one grey level."""

import platform
from collections.abc import Iterable
from functools import cache

from llvmlite.binding import get_host_cpu_name


@cache
def machine_type() -> str:
    """Return architecture and processor family, e.g. x86_64-znver4: what decides how kernels are compiled."""
    return f"{platform.machine()}-{get_host_cpu_name()}"


def produced(program: str, machines: Iterable[str]) -> str:
    """Return the attribute `produced_by`, e.g. datagen on x86_64-znver4."""
    return f"{program} on {', '.join(sorted(machines))}"


def machines_in(produced_by: str) -> set[str]:
    """Return the machine types that an attribute `produced_by` names."""
    _, found, machines = produced_by.partition(" on ")
    return set(machines.split(", ")) if found else set()
