"""The whole command against its kernels: start-up, writing and threads are what it costs beyond them."""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from commands import Finished, clearing, render
from timing import Row, arguments, interleaved, report, scratch_directory, spread

from datagen.rendering.sequence import Renderer
from schemas.render import RenderSpec
from schemas.store import chunk_sequences

SPEC = RenderSpec(property="rotation")
WORKERS = 2
COMMAND_LIMIT, SCALING_LIMIT = 1.5, 0.95

Seconds = dict[str, list[float]]
Reports = dict[int, list[tuple[Finished, dict[str, Any]]]]


def main() -> None:
    """Render to disk and into memory, on one and on two threads, and save the same bytes with NumPy."""
    options = arguments(__doc__ or "", scratch=True, n=10_000, rounds=5)
    reports: Reports = {1: [], WORKERS: []}
    with scratch_directory(options.scratch) as folder:
        tasks = {
            "command 2": command(folder, options.n, WORKERS, reports),
            "kernel 2": kernel(options.n, WORKERS),
            "numpy.save": saving(folder, options.n),
            "command 1": command(folder, options.n, 1, reports),
            "kernel 1": kernel(options.n, 1),
        }
        seconds = interleaved(tasks, options.rounds, between=clearing(folder))
    timed = {workers: each[1:] for workers, each in reports.items()}  # the first is not timed
    seconds |= {f"engine {workers}": [measured["seconds"] for _, measured in each] for workers, each in timed.items()}
    report([*command_rows(seconds, timed, options.n), *scaling_rows(seconds), saving_row(seconds)], options)


def command_rows(seconds: Seconds, reports: Reports, n: int) -> list[Row]:
    """Compare the wall time of the command with that of the kernels on as many threads."""
    rows = []
    for workers in (WORKERS, 1):
        ratios = per_round(seconds, f"command {workers}", f"kernel {workers}")
        shares = [
            1 - measured["kernel_seconds"] / (workers * finished.seconds) for finished, measured in reports[workers]
        ]
        rows.append(
            Row(
                benchmark=f"store: `datagen render --n {n}` / its kernels, {named(workers)}",
                measured=statistics.median(ratios),
                limit=COMMAND_LIMIT,
                detail=f"{middle(seconds, f'command {workers}')} / {middle(seconds, f'kernel {workers}')},"
                f" quartiles {spread(ratios)}; {statistics.median(shares):.0%} of the wall time is outside kernels",
            )
        )
    return rows


def scaling_rows(seconds: Seconds) -> list[Row]:
    """Compare what the second worker gains with what the second thread gains the bare kernel."""
    kernel_gain = per_round(seconds, "kernel 1", f"kernel {WORKERS}")
    rows = []
    for part, name in (("engine", "rendering alone"), ("command", "start-up included")):
        gain = per_round(seconds, f"{part} 1", f"{part} {WORKERS}")
        shares = [ours / bare for ours, bare in zip(gain, kernel_gain, strict=True)]
        rows.append(
            Row(
                benchmark=f"store: gain of the second worker / of the kernel's second thread, {name}",
                measured=statistics.median(shares),
                limit=SCALING_LIMIT,
                at_least=True,
                detail=f"{statistics.median(gain):.2f} / {statistics.median(kernel_gain):.2f} times as fast,"
                f" quartiles {spread(shares)}",
            )
        )
    return rows


def saving_row(seconds: Seconds) -> Row:
    """Compare the command with NumPy's writing of frames that are there already."""
    ratios = per_round(seconds, f"command {WORKERS}", "numpy.save")
    return Row(
        benchmark=f"store: rendering and writing, {named(WORKERS)} / `numpy.save` of the same bytes",
        measured=statistics.median(ratios),
        detail=f"{middle(seconds, f'command {WORKERS}')} / {middle(seconds, 'numpy.save')}, neither flushed",
    )


def command(folder: Path, n: int, workers: int, reports: Reports) -> Callable[[int], object]:
    """Return a task that renders n sequences into a store by a process of its own."""
    return lambda _number: reports[workers].append(render(folder / "store.zarr", "--n", n, "--workers", workers))


def kernel(n: int, threads: int) -> Callable[[int], object]:
    """Return a task that renders n sequences, all columns of the table too, into buffers that it fills again."""
    renderer, batch = Renderer(SPEC), chunk_sequences(SPEC)
    buffers = [
        {layout.name: np.empty((batch, *layout.shape), layout.dtype) for layout in renderer.layouts.values()}
        for _ in range(threads)
    ]

    def run(_number: int) -> None:
        starts = iter(range(0, n, batch))  # shared: every thread takes the next when it is ready

        def work(outputs: dict[str, Any]) -> None:
            for start in starts:
                renderer.render_into(start, {name: array[: n - start] for name, array in outputs.items()})

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, buffers))

    return run


def saving(folder: Path, n: int) -> Callable[[int], object]:
    """Return a task that saves as many bytes as the frames of n sequences have."""
    frames = np.empty((n, SPEC.frames, SPEC.height, SPEC.width), np.uint8)
    frames[...] = np.random.default_rng(0).integers(0, 256, frames.shape[1:], np.uint8)
    return lambda _number: np.save(folder / "frames.npy", frames)


def per_round(seconds: Seconds, numerator: str, denominator: str) -> list[float]:
    """Return the ratio of two tasks in every round."""
    return [above / below for above, below in zip(seconds[numerator], seconds[denominator], strict=True)]


def middle(seconds: Seconds, name: str) -> str:
    """Return the median of a task as text."""
    return f"{statistics.median(seconds[name]):.2f} s"


def named(workers: int) -> str:
    """Return a number of workers as text."""
    return "1 worker" if workers == 1 else f"{workers} workers"


if __name__ == "__main__":
    main()
