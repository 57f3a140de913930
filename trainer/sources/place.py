"""The place of a store that is being prepared: whose it is, who is at work there, and the folder of work beside it."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from schemas.errors import InputError
from schemas.model import digest
from schemas.recipe import Recipe
from trainer.locks import lock
from trainer.sources.clips import Clip
from trainer.sources.writing import stored_attributes

PURPOSE: Final = "work.json"
"""In the folder of work: what it is for."""


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """
    Hold the lock beside a store, `out`.lock.

    Raises
    ------
    LockedStoreError
        another process prepares this store.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_name(f"{out.name}.lock").open("w") as file:
        lock(file, f"{out} is being prepared by another process; wait for it or give another --out")
        yield


@contextmanager
def one_line_for_the_disk(out: Path) -> Iterator[None]:
    """Turn what the operating system refuses into an InputError."""
    try:
        yield
    except OSError as error:
        place = os.fspath(error.filename or out)
        raise InputError(
            f"{place}: {(error.strerror or str(error)).lower()}; mend that and run the same command again, what is "
            "done is kept"
        ) from error


def files_digest(clips: Sequence[Clip]) -> str:
    """Return the SHA-256 of the names and sizes of all files, in order."""
    sizes = [[clip.name, [[file.name, _size(file)] for file in dict.fromkeys(clip.files)]] for clip in clips]
    return hashlib.sha256(json.dumps(sizes).encode()).hexdigest()


def refuse_other(out: Path, attributes: Mapping[str, Any] | None, recipe: Recipe, files: str) -> None:
    """
    Refuse to go on with what lies at `out`, where it is not of this recipe and these files.

    Parameters
    ----------
    attributes : of the store that lies there; None where none does
    files : digest of the files

    Raises
    ------
    InputError
        it is another store, or none.
    """
    if attributes is None or "files_digest" not in attributes:
        if out.exists() and any(out.iterdir()):
            raise InputError(f"{out} is no store that `trainer prepare` made; give another --out")
        return
    ours = digest(recipe)
    if attributes["digest"] != ours:
        raise InputError(
            f"{out} was prepared by the recipe {attributes['digest'][:12]}…, this command's is {ours[:12]}…; give "
            "another --out, or --overwrite"
        )
    if attributes["files_digest"] != files:
        raise InputError(f"{out} was prepared from other files; give another --out, or --overwrite")


def remove(out: Path) -> None:
    """
    Delete a store and the folder of work beside it, where they are.

    Raises
    ------
    InputError
        what lies there is no store.
    """
    attributes = stored_attributes(out)
    if attributes is None and out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is no store, and --overwrite deletes stores alone; give another --out")
    shutil.rmtree(out, ignore_errors=True)
    remove_work(out)


def remove_work(out: Path) -> None:
    """Delete the folder of work beside a store, where there is one."""
    shutil.rmtree(_beside(out), ignore_errors=True)


def work_folder(out: Path, recipe: Recipe, files: str) -> Path:
    """Return the folder of work, begun anew where it is of another recipe or other files."""
    work = _beside(out)
    purpose = json.dumps({"recipe": digest(recipe), "files": files})
    if not (work / PURPOSE).exists() or (work / PURPOSE).read_text(encoding="utf-8") != purpose:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        (work / PURPOSE).write_text(purpose, encoding="utf-8")
    return work


def clip_folder(work: Path, number: int) -> Path:
    """Return where a clip lies in the folder of work once it is decoded."""
    return work / f"{number:06}"


def _size(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder, as a Zarr store is one."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.work")
