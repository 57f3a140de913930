"""Interleaved timing and the row that each benchmark prints: one definition for all scripts."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

HEADER = "| benchmark | measured | limit | met | in detail |\n| --- | --- | --- | --- | --- |"
NANOSECONDS = 1e9


@dataclass(frozen=True, kw_only=True)
class Row:
    """One published number."""

    benchmark: str
    """What was compared with what."""
    measured: float
    unit: str = "x"
    """`x` of a ratio, otherwise the unit."""
    limit: float | None = None
    """None: shown for comparison only."""
    at_least: bool = False
    """The limit is a lower bound."""
    stretch: float | None = None
    detail: str = ""
    points: tuple[tuple[float, float], ...] = ()
    """A curve behind the number: what was varied, and the cost at it."""

    @property
    def met(self) -> bool:
        """True unless the limit is missed."""
        if self.limit is None:
            return True
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def markdown(self) -> str:
        """Return the row of a table under `HEADER`."""
        sign = ">=" if self.at_least else "<="
        limit = "" if self.limit is None else f"{sign} {self.limit:g}"
        if self.stretch is not None:
            limit += f" (stretch {self.stretch:g})"
        met = "" if self.limit is None else "yes" if self.met else "**no**"
        return f"| {self.benchmark} | {self.measured:.3g} {self.unit} | {limit} | {met} | {self.detail} |"


def interleaved(
    tasks: Mapping[str, Callable[[int], object]], rounds: int, *, between: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """
    Time tasks in turn, so that a slow moment of a shared machine hits all of them.

    Parameters
    ----------
    tasks : by name; each takes the number of the round, and is called once before the clock starts
    rounds : measurements of each task, >= 1
    between : what is done before each task, untimed

    Returns
    -------
    seconds of every round, by name
    """
    for task in tasks.values():
        between()
        task(0)
    seconds: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds):
        for name, task in tasks.items():
            between()
            start = time.perf_counter()
            task(number)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]], pieces: Mapping[str, int] | int = 1) -> dict[str, float]:
    """Return the median of each task in ns per piece; `pieces` is how many a call makes, of each task or of all."""
    count = pieces if isinstance(pieces, Mapping) else dict.fromkeys(seconds, pieces)
    return {name: statistics.median(values) / count[name] * NANOSECONDS for name, values in seconds.items()}


def spread(values: Sequence[float]) -> str:
    """Return the quartiles over the median, e.g. `0.98-1.05`."""
    if len(values) < 3:
        return "no spread: fewer than 3 rounds"
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{low / middle:.2f}-{high / middle:.2f}"


def arguments(description: str, *, scratch: bool = False, **defaults: int) -> argparse.Namespace:
    """
    Parse a script's command line.

    Parameters
    ----------
    description : of the script, its docstring
    scratch : the script writes stores, and so takes `--scratch`
    defaults : further whole-number options with their defaults
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, help="append the rows to this file, one JSON object a line")
    if scratch:
        # Not the usual temporary directory, which may be memory: stores are meant for disks.
        parser.add_argument("--scratch", type=Path, default=Path("/var/tmp"), help="directory on a disk for stores")  # noqa: S108, only the parent of a private directory
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value, help="default: %(default)s")
    return parser.parse_args()


@contextmanager
def scratch_directory(parent: Path) -> Iterator[Path]:
    """Lend a directory of this script's own and remove it with all that is in it."""
    parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="datagen-benchmark-", dir=parent) as directory:
        yield Path(directory)


def report(rows: Iterable[Row], options: argparse.Namespace) -> None:
    """Print the rows as a table, append them to `--json`, and exit with 1 if a limit is missed."""
    print(HEADER)
    missed = False
    for row in rows:
        print(row.markdown(), flush=True)
        missed = missed or not row.met
        if options.json:
            with options.json.open("a") as file:
                file.write(json.dumps({**asdict(row), "met": row.met}) + "\n")
    sys.exit(1 if missed else 0)
