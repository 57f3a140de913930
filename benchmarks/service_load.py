"""The service under load: previews, health while jobs render, a thousand streams of events and two hundred clients."""

import asyncio
import statistics
import time
from collections import Counter
from pathlib import Path

from served import Connection, Served, latencies, serving
from timing import Row, arguments, report, scratch_directory

from datagen.rendering.sequence import Renderer
from datagen.views.preview import encode_preview
from datagen.warmup import warm_up
from schemas.render import RenderSpec

PREVIEW_LIMIT = 3.0
HEALTH_SECONDS, HEALTH_TIMES, BUSY_TIMES = 0.05, 5, 10
STREAMS, CLIENTS = 1000, 200
MEMORY_LIMIT = 1.0
"""GB."""
BIG_JOB = {"property": "rotation"}
SETTLE_SECONDS = 5
NO_SCHEDULER = "tcp://127.0.0.1:9"
"""Where nothing listens, so that a job waits and its streams are idle."""


def main() -> None:
    """Measure latencies without and with jobs, then a crowd."""
    options = arguments(__doc__ or "", scratch=True, previews=200, requests=1000)
    with scratch_directory(options.scratch) as folder:
        rows = [preview_row(folder, options.previews), *busy_rows(folder, options.previews, options.requests)]
        rows += crowd_rows(folder)
    report(rows, options)


def preview_row(folder: Path, count: int) -> Row:
    """Compare a preview with rendering and encoding the same in this process."""
    warm_up()
    bare = []
    for seed in range(count):
        start = time.perf_counter()
        renderer = Renderer(RenderSpec(property="rotation", seed=seed))
        encode_preview(renderer.render(0, 1).frames, "gif")
        bare.append(time.perf_counter() - start)
    (folder / "preview").mkdir()
    with serving(folder / "preview") as served:
        asyncio.run(latencies(served.port, preview_paths(10, "gif", first=10**6)))
        asked = asyncio.run(latencies(served.port, preview_paths(count, "gif")))
    ratio = statistics.median(asked) / statistics.median(bare)
    return Row(
        benchmark="service: preview of one sequence of 128x128 px / render and encode in process, p50",
        measured=ratio,
        limit=PREVIEW_LIMIT,
        detail=f"{statistics.median(asked) * 1e3:.1f} / {statistics.median(bare) * 1e3:.1f} ms",
    )


def busy_rows(folder: Path, previews: int, requests: int) -> list[Row]:
    """Compare p99 while two jobs render with p99 while nothing else is done."""
    (folder / "busy").mkdir()
    health = ["/healthz"] * requests
    with serving(folder / "busy", "--threads", "2", DATAGEN_JOBS="2") as served:
        served_jobs(served, 0)
        idle_health, idle_previews = both(served, health, preview_paths(previews, "webp", first=1))
        served_jobs(served, 2)
        busy_health, busy_previews = both(served, health, preview_paths(previews, "webp", first=10**7))
    health_limit = max(HEALTH_SECONDS, HEALTH_TIMES * p99(idle_health))
    return [
        Row(
            benchmark=f"service: p99 of /healthz while 2 jobs render; limit {HEALTH_SECONDS * 1e3:.0f} ms or"
            f" {HEALTH_TIMES} x idle",
            measured=p99(busy_health) * 1e3,
            unit="ms",
            limit=health_limit * 1e3,
            detail=f"idle {p99(idle_health) * 1e3:.1f} ms",
        ),
        Row(
            benchmark="service: p99 of previews while 2 jobs render / idle",
            measured=p99(busy_previews) / p99(idle_previews),
            limit=BUSY_TIMES,
            detail=f"{p99(busy_previews) * 1e3:.1f} / {p99(idle_previews) * 1e3:.1f} ms",
        ),
    ]


def crowd_rows(folder: Path) -> list[Row]:
    """Open many streams of a job that waits, let many clients ask for previews, and look what is left after."""
    (folder / "crowd").mkdir()
    with serving(folder / "crowd", "--threads", "2", "--scheduler", NO_SCHEDULER) as served:
        served.post("/v1/renders", {"spec": BIG_JOB, "n": 10_000, "name": "waits"})
        asyncio.run(latencies(served.port, preview_paths(10, "webp", first=5)))
        before, descriptors = served.resident_bytes, served.descriptors
        statuses, peak, streams = asyncio.run(crowd(served))
        time.sleep(SETTLE_SECONDS)
        after, left = served.resident_bytes, served.descriptors - descriptors
        again, _, _ = asyncio.run(crowd(served))
        time.sleep(SETTLE_SECONDS)
        grown = served.resident_bytes - after
    wrong = sum(count for status, count in (statuses + again).items() if status not in (200, 429))
    return [
        Row(
            benchmark=f"service: replies but 200 and 429 to {CLIENTS} clients beside {STREAMS} idle event streams",
            measured=wrong,
            unit="",
            limit=0,
            detail=f"{statuses[200]} of 200, {statuses[429]} of 429, {streams} streams open at once",
        ),
        Row(
            benchmark="service: memory at most meanwhile",
            measured=peak / 1e9,
            unit="GB",
            limit=MEMORY_LIMIT,
            detail=f"{before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after",
        ),
        Row(benchmark="service: files and connections left open after", measured=left, unit="", limit=2),
        Row(
            benchmark="service: memory that a second crowd adds",
            measured=grown / 1e6,
            unit="MB",
            limit=50,
            detail="of what the first left",
        ),
    ]


async def crowd(served: Served) -> tuple[Counter[int], int, int]:
    """Return how often each status came, the largest memory seen, and the streams that were open."""
    streams = [Connection(served.port) for _ in range(STREAMS)]
    for stream in streams:
        status, _ = await stream.begin("/v1/renders/waits/events")
        assert status == 200, status  # noqa: S101
    await asyncio.gather(*(stream.line() for stream in streams))
    statuses: Counter[int] = Counter()
    peak = served.resident_bytes

    async def client(number: int) -> None:
        nonlocal peak
        connection = Connection(served.port)
        for path in preview_paths(5, "webp", first=10**8 + 100 * number):
            status, _ = await connection.get(path)
            statuses[status] += 1
            peak = max(peak, served.resident_bytes)
        connection.close()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    for stream in streams:
        stream.close()
    return statuses, peak, len(streams)


def both(served: Served, health: list[str], previews: list[str]) -> tuple[list[float], list[float]]:
    """Ask for health and previews at the same time, each over a connection of its own."""

    async def measured() -> tuple[list[float], list[float]]:
        found = await asyncio.gather(latencies(served.port, health, 0.005), latencies(served.port, previews))
        return found[0], found[1]

    return asyncio.run(measured())


def served_jobs(served: Served, count: int) -> None:
    """Start renders that outlast the measurement."""
    for number in range(count):
        served.post("/v1/renders", {"spec": {**BIG_JOB, "seed": number}, "n": 200_000, "name": f"job{number}"})


def preview_paths(count: int, kind: str, first: int = 0) -> list[str]:
    """Return paths of previews of one sequence each, all different."""
    return [f"/v1/preview.{kind}?property=rotation&seed={first + number}" for number in range(count)]


def p99(seconds: list[float]) -> float:
    """Return the time within which 99 of 100 requests are answered."""
    return statistics.quantiles(seconds, n=100)[98]


if __name__ == "__main__":
    main()
