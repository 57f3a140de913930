"""What stores record of jobs: one that is not complete is a job that is not over."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from datagen.service.problems import RefusedError
from datagen.service.settings import PROGRAM
from datagen.storage.metadata import ROOT
from datagen.storage.objects import Objects, objects_at
from datagen.storage.sprites import Stack
from datagen.storage.store import SequenceStore, open_store
from datagen.storage.target import begin, cancel, locked
from schemas.errors import InputError
from schemas.render import RenderSpec
from schemas.service import NAME, Job, JobState

ELSEWHERE: Final = "elsewhere"
"""Folder of the data root with the places of stores that lie below a target, one file each."""

_log = logging.getLogger(__name__)


def begun(objects: Objects, spec: RenderSpec, n: int, sprites: Stack | None) -> bool:
    """
    Make the store of a job; return whether it is complete already.

    Raises
    ------
    SpecMismatchError, InputError
        as `datagen.storage.target.begin`
    """
    with locked(objects):
        return begin(objects, spec, n, sprites, overwrite=False, program=PROGRAM).attributes.complete


def mark_cancelled(path: str) -> None:
    """Let the store remember that it is not to be finished."""
    objects = objects_at(path)
    with locked(objects):
        cancel(objects)


def unfinished(root: Path) -> Iterator[tuple[str, str, SequenceStore]]:
    """
    Yield name, path and store of the jobs that are not complete, the oldest first; what cannot be opened is logged.

    They are the stores below the data root, and those elsewhere that `keep_place` wrote down.
    """
    folders = (folder for folder in root.glob("*.zarr") if not folder.is_symlink() and re.fullmatch(NAME, folder.stem))
    places = [(folder.stem, str(folder)) for folder in sorted(folders, key=lambda folder: folder.stat().st_mtime)]
    files = sorted((root / ELSEWHERE).glob("*.txt"), key=lambda file: file.stat().st_mtime)
    places += [(file.stem, file.read_text(encoding="utf-8")) for file in files]
    for name, path in places:
        try:
            store = open_store(path, incomplete=True)
        except InputError as error:
            _log.warning("%s is left alone: %s", path, error)
            continue
        if store.rendered and not store.complete:
            yield name, path, store


def keep_place(root: Path, name: str, path: str) -> None:
    """
    Write down where a job's store lies that is not below the data root, so that the next start finds it.

    Raises
    ------
    InputError
        the disk refuses.
    """
    file = root / ELSEWHERE / f"{name}.txt"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".partial")
        aside.write_text(path, encoding="utf-8")
        aside.replace(file)
    except OSError as error:
        raise InputError(f"{file} cannot be written: {(error.strerror or str(error)).lower()}") from error


def forget_place(root: Path, name: str) -> None:
    """Forget where a finished store lies: it is its owner's."""
    (root / ELSEWHERE / f"{name}.txt").unlink(missing_ok=True)


def job_of_store(root: Path, name: str) -> Job:
    """
    Return the job of a store that no job of this process writes.

    Raises
    ------
    RefusedError
        there is none (404).
    """
    folder = root / f"{name}.zarr"
    if not re.fullmatch(NAME, name) or folder.is_symlink() or not (folder / ROOT).is_file():
        raise RefusedError(404, f"there is no render {name[:100]!r}; GET /v1/renders lists them", field="id")
    store = open_store(folder, incomplete=True)
    state: JobState = "finished" if store.complete else "cancelled" if store.fields.get("cancelled") else "failed"
    return Job(
        id=name,
        state=state,
        digest=store.digest,
        n=store.n,
        done=store.n if store.complete else 0,
        rate=0.0,
        reason="it was left unfinished; send the request again" if state == "failed" else None,
        zarr=f"/v1/stores/{name}/zarr" if store.complete else None,
    )
