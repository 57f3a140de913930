"""Where the real files lie that a test may read; a test that needs one is skipped where it is absent."""

import os
from pathlib import Path

import pytest


def shared_file(name: str) -> Path:
    """Return a file below $STMOE_SHARED or ../shared; skip the test if there is none."""
    root = Path(os.environ.get("STMOE_SHARED") or Path(__file__).parents[2] / "shared")
    if not (root / name).is_file():
        pytest.skip(f"{root / name} is absent")
    return root / name
