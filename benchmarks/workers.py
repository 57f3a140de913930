"""What workers gain: a render on 1, 2, 4 ... threads up to twice the cores, and on a Dask cluster of the cores."""

import statistics
from collections.abc import Callable
from pathlib import Path

from commands import clearing
from dask.distributed import LocalCluster
from timing import Row, arguments, interleaved, report, scratch_directory, spread

from datagen.storage.engine import available_cores, render_store
from schemas.render import RenderSpec

SPEC = RenderSpec(property="rotation")
STORE = "store.zarr"
CLUSTER_LIMIT = 1.3


def main() -> None:
    """Render the same store with all numbers of workers in turn."""
    options = arguments(__doc__ or "", scratch=True, n=4_000, rounds=5)
    cores = available_cores()
    counts = [2**power for power in range((2 * cores).bit_length())]
    with (
        scratch_directory(options.scratch) as folder,
        LocalCluster(n_workers=cores, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        tasks: dict[str, Callable[[int], object]] = {
            f"{count} threads": rendering(folder, options.n, workers=count) for count in counts
        }
        tasks["cluster"] = rendering(folder, options.n, scheduler=cluster.scheduler_address)
        seconds = interleaved(tasks, options.rounds, between=clearing(folder))
    report([threads_row(seconds, counts, options.n), cluster_row(seconds, cores)], options)


def rendering(folder: Path, n: int, **where: int | str) -> Callable[[int], object]:
    """Return a task that renders a store."""
    return lambda _number: render_store(SPEC, n, folder / STORE, **where)  # type: ignore[arg-type]


def threads_row(seconds: dict[str, list[float]], counts: list[int], n: int) -> Row:
    """Compare the fastest number of threads with one."""
    costs = {count: statistics.median(seconds[f"{count} threads"]) / n * 1e6 for count in counts}
    best = min(costs, key=lambda count: costs[count])
    listed = ", ".join(f"{count}: {cost:.0f}" for count, cost in costs.items())
    return Row(
        benchmark=f"workers: speed of {best} threads / of one",
        measured=costs[1] / costs[best],
        detail=f"µs a sequence of 10x128x128 by threads: {listed}; {available_cores()} cores",
        points=tuple(costs.items()),
    )


def cluster_row(seconds: dict[str, list[float]], cores: int) -> Row:
    """Compare a cluster of one process a core with as many threads."""
    ratios = [ours / bare for ours, bare in zip(seconds["cluster"], seconds[f"{cores} threads"], strict=True)]
    return Row(
        benchmark=f"workers: Dask cluster of {cores} processes / {cores} threads",
        measured=statistics.median(ratios),
        limit=CLUSTER_LIMIT,
        detail=f"quartiles {spread(ratios)}; scheduler and workers on one machine",
    )


if __name__ == "__main__":
    main()
