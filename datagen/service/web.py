"""The page: static files of the package, which ask for nothing from elsewhere."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from datagen.service.byte_ranges import reply
from datagen.service.problems import RefusedError

MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load and do: nothing of another host, no script that is not a file."""
MAY_CHANGE: Final = "no-cache"
_FOLDER = Path(__file__).parent / "page"

router = APIRouter(include_in_schema=False)


@router.head("/")
@router.get("/")
async def get_page(request: Request) -> Response:
    """Return the page."""
    return _file(request, "index.html")


@router.head("/page/{name}")
@router.get("/page/{name}")
async def get_file(request: Request, name: str) -> Response:
    """Return a file of the page."""
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    if name not in _files():
        raise RefusedError(404, f"the page has no file {name[:100]!r}")
    data, etag = _files()[name]
    found = reply(request, data, etag=etag, media_type=MEDIA_TYPES[Path(name).suffix], cache=MAY_CHANGE)
    found.headers["Content-Security-Policy"] = POLICY
    return found


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Return the bytes of every file, and what they are known by; a name in a request never reaches the disk."""
    contents = {path.name: path.read_bytes() for path in _FOLDER.iterdir() if path.suffix in MEDIA_TYPES}
    return {name: (data, hashlib.sha256(data).hexdigest()[:32]) for name, data in contents.items()}
