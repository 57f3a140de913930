"""`datagen serve` as a process, and a client that costs as little as one can."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from commands import DATAGEN

PAGE_BYTES = 4096


@dataclass(frozen=True)
class Served:
    """A service that answers."""

    url: str
    process: "subprocess.Popen[str]"

    @property
    def port(self) -> int:
        """Return its TCP port on loopback."""
        return int(self.url.rpartition(":")[2])

    @property
    def resident_bytes(self) -> int:
        """Return the memory that it holds now (Linux)."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    @property
    def descriptors(self) -> int:
        """Return how many files and connections it has open (Linux)."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def post(self, path: str, body: object) -> Any:
        """Post JSON; return the JSON of the reply."""
        request = Request(f"{self.url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310, loopback
        with urlopen(request) as reply:  # noqa: S310
            return json.load(reply)


@contextmanager
def serving(folder: Path, *options: str, **environment: str) -> Iterator[Served]:
    """Run a service below a folder until the block ends."""
    with (folder / "serve.log").open("w") as log:
        command = [str(DATAGEN), "serve", "--port", "0", "--data-root", str(folder / "root"), *options]
        process = subprocess.Popen(  # noqa: S603, our own command
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **environment}
        )
        try:
            assert process.stdout is not None  # noqa: S101
            yield Served(process.stdout.readline().strip(), process)
        finally:
            process.terminate()
            process.wait()


class Connection:
    """A connection that is kept, for one request after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a reply that says its length."""
        status, length = await self.begin(path)
        assert self._reader is not None  # noqa: S101
        return status, await self._reader.readexactly(length)

    async def begin(self, path: str) -> tuple[int, int]:
        """Send a request; return status and length (0 where there is none) once the reply begins."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        _, _, rest = head.partition(b"content-length:")
        return int(head.split(b" ", 2)[1]), int(rest.partition(b"\r\n")[0] or 0)

    async def line(self) -> bytes:
        """Return the next line of a stream."""
        assert self._reader is not None  # noqa: S101
        return await self._reader.readline()

    def close(self) -> None:
        """Leave."""
        if self._writer is not None:
            self._writer.close()


async def fetched(port: int, paths: list[str], connections: int) -> int:
    """Get paths over a few connections, each once; return the bytes that came."""
    left, size = iter(paths), 0

    async def work() -> None:
        nonlocal size
        connection = Connection(port)
        for path in left:
            status, body = await connection.get(path)
            assert status == 200, (path, status)  # noqa: S101
            size += len(body)
        connection.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return size


async def latencies(port: int, paths: list[str], pause: float = 0.0) -> list[float]:
    """Get paths one after the other; return the seconds that each took."""
    connection, seconds = Connection(port), []
    for path in paths:
        start = time.perf_counter()
        status, _ = await connection.get(path)
        seconds.append(time.perf_counter() - start)
        assert status == 200, (path, status)  # noqa: S101
        await asyncio.sleep(pause)
    connection.close()
    return seconds
