"""Cost of a sequence, and number of files, from a thousand sequences to a million small ones."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from commands import clearing
from timing import Row, arguments, report, scratch_directory

from datagen.storage.engine import render_store
from datagen.storage.shards import object_layouts
from datagen.storage.units import unit_count
from schemas.render import RenderSpec

SPEC = RenderSpec(property="rotation", height=16, width=16, frames=4)
COST_LIMIT = 1.2
SMALLEST = 1_000
REPETITIONS = 32
"""Renders of the smallest store in a round; a larger one has a quarter of those of the one before."""
MILLION = 1_000_000
STORE = "store.zarr"


def main() -> None:
    """Render stores of growing n, in turn, in one process."""
    options = arguments(__doc__ or "", scratch=True, most=MILLION, rounds=3)
    counts = [SMALLEST]
    while counts[-1] * 10 <= options.most:
        counts.append(counts[-1] * 10)
    with scratch_directory(options.scratch) as folder:
        render_seconds(folder, 1)  # loads the kernels
        files: dict[int, int] = {}
        rounds = [one_round(folder, counts, files) for _ in range(options.rounds)]
    report([*cost_rows(rounds, counts), *file_rows(files)], options)


def one_round(folder: Path, counts: Sequence[int], files: dict[int, int]) -> dict[int, float]:
    """Return the median seconds of a store of one sequence, which is what any store costs, and of each n."""
    pauses = {1: 1} | {n: min(4**index, REPETITIONS) for index, n in enumerate(counts)}
    seconds: dict[int, list[float]] = {n: [] for n in pauses}
    for repetition in range(REPETITIONS):
        for n in (n for n, pause in pauses.items() if repetition % pause == 0):
            seconds[n].append(render_seconds(folder, n))
            files[n] = sum(path.is_file() for path in (folder / STORE).rglob("*"))
    return {n: statistics.median(each) for n, each in seconds.items()}


def cost_rows(rounds: Sequence[dict[int, float]], counts: Sequence[int]) -> list[Row]:
    """Compare the cost of a sequence beyond what a store costs however small it is."""
    costs = {n: statistics.median((each[n] - each[1]) / n for each in rounds) * 1e6 for n in counts}
    whole = {n: statistics.median(each[n] / n for each in rounds) * 1e6 for n in counts}
    fixed = statistics.median(each[1] for each in rounds)
    named = ", ".join(f"{n:,}" for n in counts)
    return [
        Row(
            benchmark=f"scaling: largest / smallest cost of a sequence over n = {named}",
            measured=max(costs.values()) / min(costs.values()),
            limit=COST_LIMIT,
            detail=f"{listed(costs)} µs a sequence beyond the {fixed * 1e3:.0f} ms of a store of one"
            f" ({listed(whole)} with them); 4x16x16, all cores",
            points=tuple(whole.items()),
        )
    ]


def file_rows(files: dict[int, int]) -> list[Row]:
    """Compare the files with one object of each array a unit, and their documents."""
    n, count = max(files.items())
    smaller = ", ".join(f"{files[each]:,} of {each:,}" for each in sorted(files) if each < n)
    default = RenderSpec(property="rotation")
    return [
        Row(
            benchmark=f"scaling: files of {n:,} sequences",
            measured=count,
            unit="files",
            limit=most_files(SPEC, n),
            detail=f"{smaller}; at 10x128x128 a million sequences are {unit_count(default, MILLION):,} files of frames,"
            f" {most_files(default, MILLION):,} with the table's columns",
        )
    ]


def listed(costs: dict[int, float]) -> str:
    """Return costs as text, that of the smallest n first."""
    return ", ".join(f"{cost:.1f}" for cost in costs.values())


def most_files(spec: RenderSpec, n: int) -> int:
    """Return one object of each array a unit, one document of each array, and the group's."""
    arrays = len(object_layouts(spec))
    return arrays * unit_count(spec, n) + arrays + 1


def render_seconds(folder: Path, n: int) -> float:
    """Return the seconds of one render into an empty folder."""
    clearing(folder)()
    start = time.perf_counter()
    render_store(SPEC, n, folder / STORE)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
