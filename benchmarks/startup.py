"""What a start costs: `datagen --help` loads nothing large, and kernels are compiled once for all processes."""

import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from commands import DATAGEN, Finished, clearing, run
from timing import Row, arguments, interleaved, report, scratch_directory

LARGE = ("numba", "dask", "zarr", "torch")
AT_ONCE = 2

LOADED = """
import json, sys
from datagen.cli import main
try:
    main(["--help"])
except SystemExit as end:
    assert not end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names)))
"""
COMPILED = """
import sys
from numba.core import event
from datagen.cli import main
with event.install_recorder("numba:compile") as recorder:
    try:
        main(sys.argv[1:])
    except SystemExit as end:
        assert not end.code
print(sum(found.is_start for _, found in recorder.buffer))
"""
SMALL = ("render", "--property", "rotation", "--n", 1, "--size", 16, "--frames", 2, "--out")


def main() -> None:
    """Print what is loaded, how long a start takes, and what is compiled in the first processes and after them."""
    options = arguments(__doc__ or "", scratch=True, rounds=9)
    with scratch_directory(options.scratch) as folder:
        rows = [*help_rows(options.rounds), *compile_rows(folder), render_row(folder, options.rounds)]
    report(rows, options)


def help_rows(rounds: int) -> list[Row]:
    """Look at `datagen --help`."""
    packages = json.loads(run(sys.executable, "-c", LOADED).output.splitlines()[-1])
    seconds = interleaved(
        {
            "help": lambda _number: run(DATAGEN, "--help"),
            "interpreter": lambda _number: run(sys.executable, "-c", ""),
        },
        rounds,
    )
    shown = ", ".join(name for name in packages if not name.startswith("_"))
    return [
        Row(
            benchmark=f"start-up: packages of {', '.join(LARGE)} that `datagen --help` loads",
            measured=len(set(LARGE) & set(packages)),
            unit="packages",
            limit=0,
            detail=f"it loads {shown}",
        ),
        Row(
            benchmark="start-up: `datagen --help`",
            measured=statistics.median(seconds["help"]),
            unit="s",
            detail=f"the interpreter alone {statistics.median(seconds['interpreter']):.3f} s",
        ),
    ]


def compile_rows(folder: Path) -> list[Row]:
    """Render in processes that begin at once without compiled kernels, then in one more."""
    kernels = folder / "kernels"

    def counted(name: str) -> tuple[Finished, int]:
        command = (sys.executable, "-c", COMPILED, *SMALL, folder / name)
        finished = run(*command, NUMBA_CACHE_DIR=str(kernels))
        return finished, int(finished.output.splitlines()[-1])

    with ThreadPoolExecutor(AT_ONCE) as pool:
        first = list(pool.map(counted, [f"first-{number}.zarr" for number in range(AT_ONCE)]))
    once = max(count for _, count in first)
    later, again = counted("second.zarr")
    return [
        Row(
            benchmark=f"start-up: functions compiled by {AT_ONCE} first renders at once / by the one that compiles",
            measured=sum(count for _, count in first) / once,
            limit=1,
            detail=f"{once} functions in {max(finished.seconds for finished, _ in first):.0f} s; the other waits",
        ),
        Row(
            benchmark="start-up: functions compiled by a later render in a new process",
            measured=again,
            unit="functions",
            limit=0,
            detail=f"{later.seconds:.1f} s for one sequence",
        ),
    ]


def render_row(folder: Path, rounds: int) -> Row:
    """Time a render of one sequence with kernels that are compiled."""
    store = folder / "store.zarr"
    tasks = {"render": lambda _number: run(DATAGEN, *SMALL, store)}
    (seconds,) = interleaved(tasks, rounds, between=clearing(folder)).values()
    return Row(
        benchmark="start-up: `datagen render --n 1`",
        measured=statistics.median(seconds),
        unit="s",
        detail="imports, kernels loaded from their cache, a store of one sequence",
    )


if __name__ == "__main__":
    main()
