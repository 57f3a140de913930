"""Finished stores under the data root, read-only."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Request, Response
from fastapi import Path as PathField

from datagen.service.byte_ranges import OBJECT, OCTETS, file_reply
from datagen.service.problems import RefusedError, problems
from datagen.service.state import state_of
from datagen.storage.metadata import ROOT
from datagen.storage.store import SequenceStore, open_store
from schemas.errors import InputError
from schemas.service import NAME, StoredSequences

MAY_CHANGE: Final = "private, no-cache"
"""A store may be extended; the entity tag of a file tells it."""
_STEP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
"""Of a key in a store."""

router = APIRouter(tags=["stores"])

Name = Annotated[str, PathField(description="of a store", max_length=100)]
Key = Annotated[str, PathField(description="of an object, e.g. zarr.json or frames/c/0/0/0/0", max_length=200)]


@router.get("/v1/stores")
def get_stores(request: Request) -> list[StoredSequences]:
    """List the finished stores by name."""
    return [_said(name, store) for name, store in _finished(state_of(request).settings.data_root)]


@router.get("/v1/stores/{name}", responses=problems(404, 409, 422))
def get_store(request: Request, name: Name) -> StoredSequences:
    """Describe a finished store."""
    return _said(name, open_store(_folder(request, name)))


@router.head("/v1/stores/{name}/zarr/{key:path}", **OBJECT)
@router.get("/v1/stores/{name}/zarr/{key:path}", **OBJECT)
def get_stored_object(request: Request, name: Name, key: Key) -> Response:
    """Return an object of a finished store, or the range of it that is asked for."""
    folder = _folder(request, name)
    file = _file(folder, key)
    if file is None:
        raise RefusedError(404, f"{name} has no object {key[:100]!r}")
    if key == ROOT:
        open_store(folder)  # refuses a store that is not complete: readers begin here
    stat = file.stat()
    return file_reply(
        request,
        file,
        etag=f"{stat.st_mtime_ns:x}-{stat.st_size:x}",
        media_type="application/json" if file.name == ROOT else OCTETS,
        cache=MAY_CHANGE,
    )


def _folder(request: Request, name: str) -> Path:
    """Return the folder of a store; what is no plain folder of a plain name does not exist."""
    if re.fullmatch(NAME, name):
        folder = state_of(request).settings.data_root / f"{name}.zarr"
        if folder.is_dir() and not folder.is_symlink():
            return folder
    raise RefusedError(404, f"there is no store {name[:100]!r}; GET /v1/stores lists them", field="name")


def _file(folder: Path, key: str) -> Path | None:
    """Return the file of a key; nothing outside the folder is one, nor what a symbolic link leads to."""
    steps = key.split("/")
    if not all(_STEP.fullmatch(step) and not step.endswith(".partial") for step in steps):
        return None
    place = folder
    for step in steps:
        place = place / step
        if place.is_symlink():
            return None
    return place if place.is_file() else None


def _finished(root: Path) -> Iterator[tuple[str, SequenceStore]]:
    for folder in sorted(root.glob("*.zarr")):
        if folder.is_symlink() or not re.fullmatch(NAME, folder.stem):
            continue
        try:
            yield folder.stem, open_store(folder)
        except InputError:
            continue  # not complete, or no store


def _said(name: str, store: SequenceStore) -> StoredSequences:
    return StoredSequences(
        name=name,
        digest=store.digest,
        n=store.n,
        property=store.spec.property.kind if store.rendered else None,
        arrays=tuple(sorted(store.group.array_keys())),
        bytes=sum(size for _, size in store.objects.sizes("")),
        created=str(store.fields.get("created", "")),
        zarr=f"/v1/stores/{name}/zarr",
    )
