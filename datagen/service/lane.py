"""A short way for chunks that are in memory: what routes do for a request costs more than sending a small one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from datagen.service.byte_ranges import reply
from datagen.service.state import State
from datagen.service.virtual import said_of
from schemas.service import MAX_VIRTUAL_SEQUENCES, VIRTUAL_SEQUENCES

_PATH: Final = re.compile(r"/v1/specs/([0-9a-f]{64})/(?:([1-9][0-9]{0,12})/)?zarr/(.{1,200})")


@dataclass(frozen=True)
class _Route:
    path: str


_ROUTE: Final = _Route("/v1/specs/{digest}/zarr/{key:path}")
"""Under which metrics count these requests too."""


class CachedChunks:
    """
    ASGI middleware behind the door: sends a chunk of a virtual store that is in memory, and leaves all else to routes.

    Parameters
    ----------
    app : that has the routes
    state : returns what the application holds; None before it runs
    """

    def __init__(self, app: ASGIApp, state: Callable[[], State | None]) -> None:
        self._app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a GET of a chunk that is there."""
        found = self._found(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        (digest, key), data = found
        scope["route"] = _ROUTE
        await reply(Request(scope), data, **said_of(digest, key))(scope, receive, send)

    def _found(self, scope: Scope) -> tuple[tuple[str, str], bytes] | None:
        match, state = _PATH.fullmatch(scope["path"]), self._state()
        if match is None or state is None:
            return None
        digest, n, key = match.groups()
        sequences = VIRTUAL_SEQUENCES if n is None else int(n)
        store = state.catalogue.ready(digest)
        if store is None or sequences > MAX_VIRTUAL_SEQUENCES or not store.holds(key, sequences):
            return None
        data = state.cache.kept((digest, key))
        return None if data is None else ((digest, key), data)
