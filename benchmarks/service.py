"""The service against what it stands on: virtual chunks and a store on disk, cached chunks and a static reply."""

import asyncio
import statistics
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

from commands import clearing, render
from served import Served, fetched, serving
from timing import Row, arguments, interleaved, report, scratch_directory, spread

from schemas.render import RenderSpec
from schemas.store import chunk_sequences, frame_layouts, table_layouts, unit_sequences

VIRTUAL_LIMIT, CACHED_LIMIT = 0.6, 0.6
CHECKSUM_BYTES = 4
THREADS = 2
CONNECTIONS = 4
BESIDE = """
import logging
import sys
import uvicorn
from datagen.service.app import create_app
from datagen.service.settings import Settings
from datagen.service.telemetry import JsonLines

handler = logging.StreamHandler(sys.stderr)
handler.setFormatter(JsonLines())
logging.getLogger("datagen").addHandler(handler)
logging.getLogger("datagen").setLevel(logging.INFO)
app = create_app(Settings(data_root=sys.argv[1], threads=2))
body = bytes(int(sys.argv[2]))
head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}

async def both(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/static":
        await send(head)
        await send({"type": "http.response.body", "body": body})
    else:
        await app(scope, receive, send)

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}", flush=True)

Server(uvicorn.Config(both, port=0, log_config=None, access_log=False)).run()
"""
"""The application, with its log, behind a door that answers one path by itself, in the same uvicorn."""


def main() -> None:
    """Read virtual chunks that nobody has read, then one again and again."""
    options = arguments(__doc__ or "", scratch=True, n=4_096, rounds=5, requests=400)
    with scratch_directory(options.scratch) as folder:
        rows = [virtual_row(folder, options.n, options.rounds)]
        rows += [cached_row(folder, name, options.requests, options.rounds) for name in ("frames", "angular_velocity")]
    report(rows, options)


def virtual_row(folder: Path, n: int, rounds: int) -> Row:
    """Compare reading n sequences from a virtual store with rendering them into a store."""
    disk = folder / "disk"
    disk.mkdir()
    seeds = count()
    with serving(folder, "--threads", str(THREADS)) as served:

        def virtual(_number: int) -> None:
            asyncio.run(fetched(served.port, chunk_paths(served, n, next(seeds)), CONNECTIONS))

        tasks: dict[str, Callable[[int], object]] = {
            "virtual": virtual,
            "disk": lambda _number: render(disk / "store.zarr", "--n", n, "--workers", THREADS),
        }
        seconds = interleaved(tasks, rounds, between=clearing(disk))
    shares = [there / here for there, here in zip(seconds["disk"], seconds["virtual"], strict=True)]
    rates = {name: n / statistics.median(values) for name, values in seconds.items()}
    return Row(
        benchmark=f"service: sequences a second, {n} from virtual chunks / `datagen render --workers {THREADS}`",
        measured=statistics.median(shares),
        limit=VIRTUAL_LIMIT,
        at_least=True,
        detail=f"{rates['virtual']:.0f} / {rates['disk']:.0f} a second, quartiles {spread(shares)}; the client's CPU"
        " included",
    )


def chunk_paths(served: Served, n: int, seed: int) -> list[str]:
    """Register a spec that nobody has read; return the paths of its first chunks of frames."""
    spec = RenderSpec(property="rotation", seed=seed)
    zarr = served.post("/v1/specs", spec.model_dump(mode="json"))["zarr"]
    return [f"{zarr}/frames/c/{chunk}/0/0/0" for chunk in range(n // chunk_sequences(spec))]


def cached_row(folder: Path, name: str, requests: int, rounds: int) -> Row:
    """Compare a chunk that is kept with a reply of the same size that was there before the request."""
    spec = RenderSpec(property="rotation")
    pictures = {layout.name: (layout, chunk_sequences(spec)) for layout in frame_layouts(spec)}
    columns = {layout.name: (layout, unit_sequences(spec)) for layout in table_layouts(spec)}
    layout, sequences = (pictures | columns)[name]
    length = sequences * layout.sequence_bytes + CHECKSUM_BYTES
    command = [sys.executable, "-c", BESIDE, str(folder / f"beside-{name}"), str(length)]
    process = subprocess.Popen(  # noqa: S603, the text above
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None  # noqa: S101
        served = Served(process.stdout.readline().strip(), process)
        zarr = served.post("/v1/specs", spec.model_dump(mode="json"))["zarr"]
        paths = {"chunk": f"{zarr}/{name}/c/0{'/0' * len(layout.shape)}", "static": "/static"}
        tasks = {
            name: lambda _number, path=path: asyncio.run(fetched(served.port, [path] * requests, CONNECTIONS))
            for name, path in paths.items()
        }
        seconds = interleaved(tasks, rounds)
    finally:
        process.terminate()
        process.wait()
    shares = [static / chunk for static, chunk in zip(seconds["static"], seconds["chunk"], strict=True)]
    rates = {name: requests / statistics.median(values) for name, values in seconds.items()}
    return Row(
        benchmark=f"service: requests a second, a cached chunk of `{name}` / a static reply of its {length:,} bytes",
        measured=statistics.median(shares),
        limit=CACHED_LIMIT if name == "frames" else None,
        at_least=True,
        detail=f"{rates['chunk']:.0f} / {rates['static']:.0f} a second, quartiles {spread(shares)}",
    )


if __name__ == "__main__":
    main()
