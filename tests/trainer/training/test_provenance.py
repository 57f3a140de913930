"""How a run came to be, from its folder alone."""

import json
import shlex
import sys
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from trainer.training.provenance import FILE, read_provenance, write_provenance


def test_every_command_is_kept_in_order_and_can_be_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [["trainer", "fit", "--out", "a b"], ["trainer", "fit", "--out", "a b", "--phase", "gates"]]
    for command in commands:
        monkeypatch.setattr(sys, "argv", command)
        write_provenance(tmp_path)
    written = read_provenance(tmp_path)["commands"]
    assert [shlex.split(entry["command"]) for entry in written] == commands
    assert all(datetime.fromisoformat(entry["time"]).tzinfo for entry in written)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("environment", "started"),
    [
        ({"WORLD_SIZE": "2"}, "torchrun --nproc-per-node 2 -m trainer fit --seed 3"),
        ({"WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, "torchrun --nproc-per-node 4 -m trainer fit --seed 3"),
        ({"WORLD_SIZE": "1"}, "python -m trainer fit --seed 3"),
    ],
)
def test_what_a_module_was_started_by_is_kept(
    environment: dict[str, str], started: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/trainer/__main__.py", "fit", "--seed", "3"])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    write_provenance(tmp_path)
    assert read_provenance(tmp_path)["commands"][0]["command"] == started


def test_versions_are_those_installed(tmp_path: Path) -> None:
    write_provenance(tmp_path)
    versions = read_provenance(tmp_path)["versions"]
    assert {name: versions[name] for name in ("torch", "numpy", "zarr")} == {
        name: version(name) for name in ("torch", "numpy", "zarr")
    }
    assert versions["python"] == sys.version.split()[0]


@pytest.mark.parametrize("text", [None, "", "{", '{"commands": '])
def test_a_missing_or_damaged_file_is_begun_anew(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / FILE).write_text(text)
    assert read_provenance(tmp_path) == {}
    write_provenance(tmp_path)
    assert len(json.loads((tmp_path / FILE).read_text())["commands"]) == 1
