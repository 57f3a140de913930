"""A web server on loopback that serves a folder with byte ranges, to those who have the token where it asks for one."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass
class Served:
    """What the server does and has seen."""

    folder: Path
    token: str | None = None
    redirect: str | None = None
    """Where every request is sent on to."""
    fails: bool = False
    """Answer everything with 500."""
    ranges: bool = True
    """Answer with the range that is asked for, not with the whole object."""
    url: str = ""
    authorizations: list[str | None] = field(default_factory=list)
    """Of every request."""


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Serve while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.authorizations.append(self.headers["Authorization"])
            status, body = self.answer()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", f"{served.redirect}{self.path}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def answer(self) -> tuple[int, bytes]:
            file = served.folder / self.path.lstrip("/")
            if served.redirect:
                return 302, b""
            if served.fails:
                return 500, b""
            if served.token and self.headers["Authorization"] != f"Bearer {served.token}":
                return 401, b""
            if not file.is_file():
                return 404, b""
            data = file.read_bytes()
            asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers["Range"] or "")
            if not asked or not served.ranges:
                return 200, data
            first, last = asked.groups()
            if not first:
                return 206, data[-int(last) :]
            if int(first) >= len(data):
                return 416, b""
            return 206, data[int(first) : int(last) + 1 if last else None]

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
