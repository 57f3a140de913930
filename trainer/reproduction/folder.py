"""A folder of results: whose it is, what it was planned for, and that one command at a time fills it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from schemas.errors import InputError, NewerSchemaError
from trainer.locks import lock
from trainer.reproduction.records import write_text

PLAN = "plan.json"
LOCK = "lock"
VERSION: Final = 1
"""Of the layout of a folder of results."""


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """
    Hold the lock of a folder of results, which is made where it is missing.

    Yields
    ------
    the lock's file descriptor: who inherits it holds the lock too, so jobs that outlive a killed engine keep it

    Raises
    ------
    LockedStoreError
        another command, or a job that one left, is at work there.
    InputError
        it holds other things, or cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / PLAN).exists() and any(path.name != LOCK for path in folder.iterdir()):
            raise InputError(f"{folder} holds other things than results; give another --out")
        file = (folder / LOCK).open("w")
    except OSError as error:
        raise cannot_write(folder, error) from error
    with file:
        lock(file, f"another command, or a job that it left, is at work in {folder}; wait for it or give another --out")
        yield file.fileno()


def claim(folder: Path, identity: Mapping[str, Any]) -> None:
    """
    Make a locked folder that of a plan, or check that it is.

    Parameters
    ----------
    identity : what the plan was made for, ready for JSON; `seeds` and `rows` may be more than there

    Raises
    ------
    InputError
        it is another plan's, whose first field that differs is named; it is damaged; or it cannot be written.
    NewerSchemaError
        another version of this package made it.
    """
    check(folder, identity)
    try:
        write_text(folder / PLAN, json.dumps({"version": VERSION, **identity}, indent=2) + "\n")
    except OSError as error:
        raise cannot_write(folder, error) from error


def check(folder: Path, identity: Mapping[str, Any]) -> None:
    """
    Raise where a folder of results is another plan's; see `claim`.

    Parameters
    ----------
    folder : a missing one is nobody's
    """
    try:
        theirs = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        version = theirs.get("version")
    except FileNotFoundError:
        return
    except (OSError, ValueError, AttributeError):
        raise InputError(f"{folder / PLAN} is damaged; put it back, or give another --out") from None
    if version != VERSION:
        raise NewerSchemaError(
            f"{folder} has version {version}, this installation reads {VERSION}; use that one, or give another --out"
        )
    for name, ours in identity.items():
        if not _extends(name, theirs.get(name), ours):
            raise InputError(
                f"{folder} holds results of another plan: {name} is {_shown(theirs.get(name))} there and "
                f"{_shown(ours)} here; give another --out, or what it began with"
            )


def cannot_write(folder: Path, error: OSError) -> InputError:
    """Return one line for a folder that cannot be written: no space, or not allowed."""
    return InputError(
        f"{folder} cannot be written: {(error.strerror or str(error)).lower()}; mend that and run the same command "
        "again, what is finished is kept"
    )


def _extends(name: str, theirs: Any, ours: Any) -> bool:
    """Return whether a field of a plan is what it was, or more of it where that leaves finished jobs as they are."""
    match name, theirs:
        case "seeds", int():
            return bool(theirs <= ours)
        case "rows", list():
            return set(theirs) <= set(ours)
        case _:
            return bool(theirs == ours)


def _shown(value: Any) -> str:
    """Return a value on one line; of several, as of rows, all are listed."""
    match value:
        case None:
            return "not given"
        case list():
            return ",".join(str(item) for item in value)
        case dict():
            return ",".join(f"{name}={str(item)[:12]}" for name, item in value.items())
        case _:
            return str(value)
