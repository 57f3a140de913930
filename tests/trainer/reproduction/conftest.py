"""A disk of its own for a test that fills it."""

import os

from tests.datagen.storage.conftest import Disk
from tests.datagen.storage.conftest import disk as disk


def fill(disk: Disk) -> None:
    """Leave no space on a disk."""
    free = os.statvfs(disk.path)
    (disk.path / "ballast").write_bytes(bytes(free.f_bavail * free.f_frsize))
