"""What all truth arrays cost: eight times the bytes, some of them computed."""

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from commands import clearing, render
from timing import Row, arguments, interleaved, report, scratch_directory, spread

from datagen.storage.engine import render_store
from schemas.render import RenderSpec, TruthArray

LIMIT = 2.5


def main() -> None:
    """Compare renders with and without truth, as a process and, stricter, without its start-up."""
    options = arguments(__doc__ or "", scratch=True, n=1_000, rounds=7)
    with scratch_directory(options.scratch) as folder:
        store = folder / "store.zarr"
        tasks = {
            "engine with": rendering(store, options.n, get_args(TruthArray)),
            "engine without": rendering(store, options.n, ()),
            "command with": lambda _number: render(store, "--n", options.n, "--truth", "all"),
            "command without": lambda _number: render(store, "--n", options.n),
        }
        seconds = interleaved(tasks, options.rounds, between=clearing(folder))
    rows = []
    for part, name in (("engine", "rendering alone"), ("command", "start-up included")):
        having, lacking = seconds[f"{part} with"], seconds[f"{part} without"]
        ratios = [above / below for above, below in zip(having, lacking, strict=True)]
        rows.append(
            Row(
                benchmark=f"truth: all four arrays / none, {name}",
                measured=statistics.median(ratios),
                limit=LIMIT,
                detail=f"{statistics.median(having):.2f} s / {statistics.median(lacking):.2f} s, quartiles"
                f" {spread(ratios)}; {options.n:,} rotation sequences, all cores",
            )
        )
    report(rows, options)


def rendering(store: Path, n: int, truth: tuple[TruthArray, ...]) -> Callable[[int], object]:
    """Return a task that renders n sequences into a store in this process."""
    spec = RenderSpec(property="rotation", truth=truth)
    return lambda _number: render_store(spec, n, store)


if __name__ == "__main__":
    main()
