"""Who may come in: host names, keys, scopes, bodies that are too large or too slow; and a log line for everyone."""

import asyncio
import logging
import secrets
import time
from typing import Final

from fastapi import Response
from limits.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from datagen.service.keys import Key, found
from datagen.service.keys import Scope as KeyScope
from datagen.service.problems import RefusedError, problem
from datagen.service.settings import Settings
from datagen.service.state import count_request
from datagen.service.telemetry import LOGGER, Telemetry

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""Paths that need no key."""
PAGE: Final = frozenset({"/", "/docs", "/openapi.json"})
"""Paths that say nothing that is not in the source code; they need no key either."""
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

ASSETS: Final = ("/page/", "/static-offline-docs/")
"""Below which the files of the page and of /docs lie."""

_log = logging.getLogger(LOGGER)


class AccessMiddleware:
    """
    ASGI middleware around the whole application.

    Parameters
    ----------
    app : behind the door
    settings, keys, quotas, telemetry : of the application
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        keys: tuple[Key, ...],
        quotas: FixedWindowRateLimiter,
        telemetry: Telemetry,
    ) -> None:
        self._app = app
        self._settings, self._keys, self._quotas, self._telemetry = settings, keys, quotas, telemetry
        self._any_host = bool(keys) or not settings.loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = _Visit(scope, send, self._telemetry)
        try:
            self._require_host(scope)
            scope["state"]["key"] = self._key(scope)
            body = _Body(receive, scope, self._settings)
            await self._app(scope, body.receive, visit.send)
        except RefusedError as error:
            refusal = problem(error.status, error.detail, field=error.field, request_id=visit.id, headers=error.headers)
            await _answer(refusal, scope, receive, visit.send)
        finally:
            visit.end()

    def _require_host(self, scope: Scope) -> None:
        """Refuse other host names where there are no keys: a web page could reach loopback by DNS rebinding."""
        if self._any_host:
            return
        host = _header(scope, b"host")
        name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
        if name.lower() not in LOOPBACK_NAMES and name.lower() not in self._settings.hosts:
            raise RefusedError(421, "this host name is not answered here; use 127.0.0.1 or localhost")

    def _key(self, scope: Scope) -> Key | None:
        """Return the key of a request, if it needs one and has it."""
        path = scope["path"]
        if not self._keys or path in OPEN or path in PAGE or path.startswith(ASSETS):
            return None
        if path == "/metrics" and self._settings.open_metrics:
            return None
        kind, _, token = _header(scope, b"authorization").partition(" ")
        key = found(self._keys, token.strip()) if kind.lower() == "bearer" and token else None
        if key is None or key.expired:
            raise RefusedError(
                401, "give a key that is valid as `Authorization: Bearer KEY`", headers={"WWW-Authenticate": "Bearer"}
            )
        needed = _scope_of(scope["method"], path)
        if not key.may(needed):
            raise RefusedError(403, f"the key may not do this; it takes one of scope {needed}")
        if not count_request(self._quotas, key):
            raise RefusedError(429, "the key has used up its requests of this minute", headers={"Retry-After": "60"})
        return key


def _scope_of(method: str, path: str) -> KeyScope:
    if path == "/metrics":
        return "admin"
    if path.startswith("/v1/renders") and method not in ("GET", "HEAD"):
        return "render"
    return "read"


class _Visit:
    """One request on its way through: its id, its reply's status, its time."""

    def __init__(self, scope: Scope, send: Send, telemetry: Telemetry) -> None:
        self.id = secrets.token_hex(16)
        self._scope, self._send, self._telemetry = scope, send, telemetry
        self._begun = time.perf_counter()
        self._status: int | None = None
        scope.setdefault("state", {})["request_id"] = self.id

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = [*message.get("headers", ()), *SAFE_HEADERS, (b"x-request-id", self.id.encode())]
            message = {**message, "headers": headers}
        await self._send(message)

    def end(self) -> None:
        seconds = time.perf_counter() - self._begun
        route = getattr(self._scope.get("route"), "path", "none")
        status = "gone" if self._status is None else str(self._status)
        self._telemetry.requests.labels(self._scope["method"], route, status).inc()
        self._telemetry.seconds.labels(route).observe(seconds)
        key: Key | None = self._scope["state"].get("key")
        fields = {
            "request_id": self.id,
            "method": self._scope["method"],
            "path": self._scope["path"][:200],
            "status": self._status,
            "seconds": round(seconds, 6),
            "key": None if key is None else key.name,
        }
        _log.info("request", extra={"fields": fields})


class _Body:
    """The body of a request, no longer and no slower than it may be."""

    def __init__(self, receive: Receive, scope: Scope, settings: Settings) -> None:
        self._receive, self._most, self._seconds = receive, settings.body_bytes, settings.body_seconds
        self._seen, self._whole = 0, False
        self._deadline = time.monotonic() + self._seconds
        if _header(scope, b"content-encoding").lower() not in ("", "identity"):
            raise RefusedError(415, "the body is compressed; send it as it is")
        length = _header(scope, b"content-length")
        if length.isdigit() and int(length) > self._most:
            raise RefusedError(413, f"the body has {int(length):,} bytes; give at most {self._most:,}")

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(self._deadline - time.monotonic(), 0.001))
        except TimeoutError:
            raise RefusedError(408, f"the body took longer than {self._seconds:g} s") from None
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._seen > self._most:
                raise RefusedError(413, f"the body has more than {self._most:,} bytes")
        return message


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    await response(scope, receive, send)


def _header(scope: Scope, name: bytes) -> str:
    values = [value for header, value in scope["headers"] if header == name]
    return values[0].decode("latin-1") if values else ""
