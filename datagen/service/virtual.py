"""Specs by their digest, and their virtual stores."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Body, Path, Request, Response
from fastapi.concurrency import run_in_threadpool

from datagen.service.byte_ranges import OBJECT, OCTETS, Said, reply, reply_without
from datagen.service.problems import RefusedError, problems
from datagen.service.state import charge, state_of
from datagen.service.virtual_store import VirtualStore, is_document
from schemas.render import SCHEMA_VERSION, RenderSpec
from schemas.service import EXAMPLE, MAX_VIRTUAL_SEQUENCES, VIRTUAL_SEQUENCES, SpecReply
from schemas.store import chunk_sequences

FOR_EVER: Final = "private, max-age=31536000, immutable"
"""Everything below a digest is a function of it."""

router = APIRouter(tags=["virtual stores"])

Digest = Annotated[str, Path(description="SHA-256 of a registered spec", max_length=64)]
Key = Annotated[str, Path(description="of an object, e.g. zarr.json or frames/c/0/0/0/0", max_length=200)]
Count = Annotated[int, Path(ge=1, le=MAX_VIRTUAL_SEQUENCES, description="sequences")]


@router.post(
    "/v1/specs",
    status_code=201,
    responses={200: {"model": SpecReply, "description": "it was known"}, **problems(422)},
)
async def post_spec(
    request: Request, response: Response, body: Annotated[RenderSpec, Body(examples=[EXAMPLE])]
) -> SpecReply:
    """Register a spec: its digest names the data set, and a Zarr store of it that is rendered when it is read."""
    catalogue = state_of(request).catalogue
    known = catalogue.knows(body.digest)
    store = await run_in_threadpool(catalogue.register, body)
    response.status_code = 200 if known else 201
    response.headers["Location"] = f"/v1/specs/{store.spec.digest}"
    return _said(store)


@router.get("/v1/specs/{digest}", responses=problems(404, 422))
async def get_spec(request: Request, digest: Digest) -> SpecReply:
    """Return a registered spec."""
    return _said(await _store(request, digest))


@router.head("/v1/specs/{digest}/zarr/{key:path}", **OBJECT)
@router.get("/v1/specs/{digest}/zarr/{key:path}", **OBJECT)
async def get_virtual_object(request: Request, digest: Digest, key: Key) -> Response:
    """Return an object of the virtual store of a spec, with 2**20 sequences; a chunk is rendered when it is read."""
    return await _object(request, digest, VIRTUAL_SEQUENCES, key)


@router.head("/v1/specs/{digest}/{n}/zarr/{key:path}", **OBJECT)
@router.get("/v1/specs/{digest}/{n}/zarr/{key:path}", **OBJECT)
async def get_virtual_object_of_n(request: Request, digest: Digest, n: Count, key: Key) -> Response:
    """Return an object of the virtual store of a spec, with n sequences."""
    return await _object(request, digest, n, key)


def said_of(digest: str, key: str) -> Said:
    """Return what is said of a chunk, which is the same for ever."""
    return {"etag": f"{SCHEMA_VERSION}-{digest}-{key}", "media_type": OCTETS, "cache": FOR_EVER}


async def _object(request: Request, digest: str, n: int, key: str) -> Response:
    state = state_of(request)
    store = await _store(request, digest)
    if is_document(key):
        document = store.documents(n).get(key)
        if document is None:
            raise _no_such(key)
        tag = f"{SCHEMA_VERSION}-{digest}-{n}-{key}"
        return reply(request, document, etag=tag, media_type="application/json", cache=FOR_EVER)
    if not store.holds(key, n):
        raise _no_such(key)

    said = said_of(digest, key)
    answer = reply_without(request, store.size(key), **said)
    if answer is not None:
        return answer

    async def make() -> Mapping[str, bytes]:
        return await state.pool.run_shared(partial(store.render, key))

    if not state.cache.has((digest, key)):
        charge(request, chunk_sequences(store.spec))  # who asks first; a quota must not refuse others who wait too
    data = await state.cache.get((digest, key), make)
    return reply(request, data, **said)


async def _store(request: Request, digest: str) -> VirtualStore:
    """Return a registered spec's store; files are read, and digits loaded, off the event loop."""
    catalogue = state_of(request).catalogue
    ready = catalogue.ready(digest)
    return await run_in_threadpool(catalogue.store, digest) if ready is None else ready


def _no_such(key: str) -> RefusedError:
    return RefusedError(404, f"the store has no object {key[:100]!r}", headers={"Cache-Control": "private, max-age=60"})


def _said(store: VirtualStore) -> SpecReply:
    digest = store.spec.digest
    return SpecReply(
        digest=digest,
        spec=store.spec.model_dump(mode="json"),
        zarr=f"/v1/specs/{digest}/zarr",
        sequences=VIRTUAL_SEQUENCES,
    )
