"""A folder of results belongs to one plan and one command at a time."""

import json
import multiprocessing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError, LockedStoreError, NewerSchemaError
from tests.datagen.storage.conftest import Disk
from tests.trainer.reproduction.conftest import fill
from trainer.reproduction.folder import PLAN, check, claim, locked

IDENTITY: Mapping[str, Any] = {
    "package": "1",
    "scale": "small",
    "seeds": 3,
    "rows": ["a", "b"],
    "data": {"rotation": "0123456789abcdef"},
    "sprites": None,
}


def refused(folder: Path, **changes: Any) -> str:
    with pytest.raises(InputError) as caught:
        claim(folder, {**IDENTITY, **changes})
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder} ")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with locked(tmp_path / "results"):
        claim(tmp_path / "results", IDENTITY)
    return tmp_path / "results"


def test_rows_are_added_and_none_is_left_out(folder: Path) -> None:
    claim(folder, {**IDENTITY, "rows": ["c", "a", "b"]})
    assert json.loads((folder / PLAN).read_text())["rows"] == ["c", "a", "b"]
    assert refused(folder).startswith("holds results of another plan: rows is c,a,b there and a,b here")


def test_the_same_plan_comes_back_and_seeds_are_added(folder: Path) -> None:
    before = (folder / PLAN).read_bytes()
    claim(folder, IDENTITY)
    assert (folder / PLAN).read_bytes() == before
    claim(folder, {**IDENTITY, "seeds": 5})
    assert refused(folder).startswith("holds results of another plan: seeds is 5 there and 3 here; give another --out")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scale": "paper"}, "scale is small there and paper here"),
        ({"rows": ["a"]}, "rows is a,b there and a here"),
        ({"sprites": "/digits"}, "sprites is not given there and /digits here"),
        (
            {"data": {"rotation": "fedcba9876543210"}},
            "data is rotation=0123456789ab there and rotation=fedcba987654 here",
        ),
        ({"data": None}, "data is rotation=0123456789ab there and not given here"),
        ({"package": "2"}, "package is 1 there and 2 here"),
    ],
)
def test_another_plan_is_refused_by_the_field_that_differs(folder: Path, changes: dict[str, Any], said: str) -> None:
    before = (folder / PLAN).read_bytes()
    assert refused(folder, **changes) == (
        f"holds results of another plan: {said}; give another --out, or what it began with"
    )
    assert (folder / PLAN).read_bytes() == before


def test_another_version_is_refused_and_both_are_named(folder: Path) -> None:
    document = json.loads((folder / PLAN).read_text())
    (folder / PLAN).write_text(json.dumps(document | {"version": 7}))
    with pytest.raises(NewerSchemaError, match="has version 7, this installation reads 1"):
        check(folder, IDENTITY)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_plan_is_refused(folder: Path, text: str) -> None:
    (folder / PLAN).write_text(text)
    with pytest.raises(InputError, match=r"plan\.json is damaged; put it back, or give another --out"):
        check(folder, IDENTITY)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="holds other things than results; give another --out"), locked(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_second_command_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    another = pytest.raises(LockedStoreError, match="another command, or a job that it left")
    with locked(tmp_path), another, locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_who_inherits_the_lock_keeps_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    end, child_end = context.Pipe()
    with locked(tmp_path):
        child = context.Process(target=child_end.recv)
        child.start()
    try:
        with pytest.raises(LockedStoreError), locked(tmp_path):
            pass
    finally:
        end.send(None)
        child.join()
    with locked(tmp_path):
        pass


def test_a_full_disk_is_one_line(disk: Disk) -> None:
    folder = disk.path / "results"
    with locked(folder):
        fill(disk)
        with pytest.raises(InputError) as caught:
            claim(folder, IDENTITY)
    assert str(caught.value) == (
        f"{folder} cannot be written: no space left on device; mend that and run the same command again, "
        "what is finished is kept"
    )
