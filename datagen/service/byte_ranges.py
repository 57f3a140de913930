"""Replies with bytes that are in memory: whole, in part (RFC 9110 ranges), or known already (ETag)."""

import re
from typing import Final

from fastapi import Request, Response

from datagen.service.problems import RefusedError

OCTETS: Final = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")


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
    headers = {"ETag": f'"{etag}"', "Cache-Control": cache, "Accept-Ranges": "bytes", "Vary": "Authorization"}
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    asked = _RANGE.fullmatch(request.headers.get("range", "").strip())
    if asked is None or asked[1] == asked[2] == "" or request.headers.get("if-range", f'"{etag}"') != f'"{etag}"':
        return _response(request, data, 200, headers, media_type)
    start, stop = _bounds(asked[1], asked[2], len(data))
    if start >= len(data) or start >= stop:
        raise RefusedError(
            416, f"the range {asked[0]} is not in {len(data)} bytes", headers={"Content-Range": f"bytes */{len(data)}"}
        )
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return _response(request, data[start:stop], 206, headers, media_type)


def is_known(request: Request, etag: str) -> bool:
    """Return whether the client has what an entity tag names."""
    names = {name.strip().removeprefix("W/") for name in request.headers.get("if-none-match", "").split(",")}
    return "*" in names or f'"{etag}"' in names


def _bounds(first: str, last: str, length: int) -> tuple[int, int]:
    """Return start and stop; of a suffix range the first is empty."""
    if not first:
        return max(length - int(last), 0), length if int(last) else 0
    return int(first), length if not last else min(int(last) + 1, length)


def _response(request: Request, data: bytes, status: int, headers: dict[str, str], media_type: str) -> Response:
    if request.method == "HEAD":
        return Response(
            status_code=status, headers={**headers, "Content-Length": str(len(data))}, media_type=media_type
        )
    return Response(data, status, headers, media_type)
