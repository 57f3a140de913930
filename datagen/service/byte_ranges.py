"""Replies with the bytes of an object: whole, in part (RFC 9110 ranges), or known already (ETag)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from datagen.service.problems import RefusedError, Responses, problems

OCTETS: Final = "application/octet-stream"
PIECE: Final = 2**20
"""Bytes of a file that are in memory at a time."""
_WHOLE: dict[str, Any] = {"content": {OCTETS: {}, "application/json": {}}}
_RESPONSES: Responses = {
    200: {"description": "the object", **_WHOLE},
    206: {"description": "the range of it that was asked for", **_WHOLE},
    304: {"description": "the client has it"},
    **problems(404, 409, 416, 422),
}
OBJECT: dict[str, Any] = {"response_class": Response, "responses": _RESPONSES}
"""What a route of objects says of its replies."""


class Said(TypedDict):
    """What a reply says of its bytes."""

    etag: str
    """Strong, without its quotes."""
    media_type: str
    cache: str
    """Cache-Control."""


_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")


def reply(request: Request, data: bytes, *, etag: str, media_type: str, cache: str) -> Response:
    """
    Return bytes, or the part of them that a GET or HEAD asks for.

    A range that is none, or several, are answered with everything, as RFC 9110 allows.

    Parameters
    ----------
    etag : strong, without its quotes
    cache : Cache-Control

    Raises
    ------
    RefusedError
        the range lies behind the end (416).
    """
    answer = _answer(request, len(data), etag, cache)
    if answer.empty:
        return _without_body(answer, media_type)
    return Response(data[answer.start : answer.stop], answer.status, answer.headers, media_type)


def reply_without(request: Request, length: int, *, etag: str, media_type: str, cache: str) -> Response | None:
    """Return the reply to a request that takes no bytes, a HEAD or for what is known; None where they are needed."""
    answer = _answer(request, length, etag, cache)
    return _without_body(answer, media_type) if answer.empty else None


def file_reply(request: Request, file: Path, *, etag: str, media_type: str, cache: str) -> Response:
    """Do the same for the bytes of a file, which are read while they are sent."""
    answer = _answer(request, file.stat().st_size, etag, cache)
    if answer.empty:
        return _without_body(answer, media_type)
    return StreamingResponse(_pieces(file, answer.start, answer.stop), answer.status, answer.headers, media_type)


@dataclass(frozen=True)
class _Answer:
    """What is sent: status, headers, and bytes from start to stop unless the body is empty."""

    status: int
    headers: dict[str, str]
    start: int = 0
    stop: int = 0
    empty: bool = False


def _answer(request: Request, length: int, etag: str, cache: str) -> _Answer:
    headers = {"ETag": f'"{etag}"', "Cache-Control": cache, "Accept-Ranges": "bytes", "Vary": "Authorization"}
    if _is_known(request, etag):
        return _Answer(304, headers, empty=True)
    status, start, stop = 200, 0, length
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is not None and asked[0] != "bytes=-" and request.headers.get("if-range", f'"{etag}"') == f'"{etag}"':
        status, (start, stop) = 206, _bounds(asked[1], asked[2], length)
        if start >= length or start >= stop:
            raise RefusedError(
                416, f"the range {asked[0]} is not in {length} bytes", headers={"Content-Range": f"bytes */{length}"}
            )
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{length}"
    headers["Content-Length"] = str(stop - start)
    return _Answer(status, headers, start, stop, empty=request.method == "HEAD")


def _without_body(answer: _Answer, media_type: str) -> Response:
    return Response(status_code=answer.status, headers=answer.headers, media_type=media_type)


def _is_known(request: Request, etag: str) -> bool:
    names = {name.strip().removeprefix("W/") for name in request.headers.get("if-none-match", "").split(",")}
    return "*" in names or f'"{etag}"' in names


def _bounds(first: str, last: str, length: int) -> tuple[int, int]:
    """Return start and stop; of a suffix range the first is empty."""
    if not first:
        return max(length - int(last), 0), length if int(last) else 0
    return int(first), length if not last else min(int(last) + 1, length)


def _pieces(file: Path, start: int, stop: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        opened.seek(start)
        while start < stop and (piece := opened.read(min(PIECE, stop - start))):
            start += len(piece)
            yield piece
