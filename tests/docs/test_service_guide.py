"""Every command and every Python example of the guide to the service is run; its table lists every setting."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from datagen.service.settings import Settings
from tests.docs.blocks import to_run
from tests.service.running import running

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs/service.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"
BY_NATURE = {"threads": "all cores"}
"""Defaults that depend on the machine."""


def default_of(name: str) -> str:
    field = Settings.model_fields[name]
    if name in BY_NATURE:
        return BY_NATURE[name]
    assert field.default is not PydanticUndefined
    value = field.default
    return "" if value in (None, "", ()) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def table() -> str:
    rows = (
        f"| `DATAGEN_{name.upper()}` | {default_of(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    )
    return "\n".join(("| variable | default | meaning |", "| --- | --- | --- |", *rows)) + "\n"


def test_the_table_lists_every_setting() -> None:
    assert table() in GUIDE, table()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_example_runs(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    said = []
    with running(tmp_path / "stores") as client:
        address = str(client.base_url).rstrip("/")
        for language, text in ((block.language, block.text) for block in to_run("docs/service.md")):
            if text == "datagen serve\n":
                continue  # runs already
            program = ["sh", "-e"] if language == "sh" else [sys.executable, "-c"]
            code = text.replace(ADDRESS, address)
            done = subprocess.run(
                program if language == "sh" else [*program, code],
                input=code if language == "sh" else None,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{text}{done.stderr}"
            said.append(done.stdout)
            for expected in re.findall(r"print\(.*\)  # (.*)", text):
                assert expected in done.stdout.splitlines()
    assert (tmp_path / "rotation.gif").read_bytes().startswith(b"GIF89a")
    assert (tmp_path / "rotation.npz").read_bytes().startswith(b"PK")
    assert '"zarr":"/v1/stores/first/zarr"' in said[-2]
    assert "noise_ratio is" in said[-1] or "noise.ratio is" in said[-1]
