"""How far a long command is: a bar on a terminal, a plain line every few seconds in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C ended."""
LINE_SECONDS = 5.0
"""Between two lines in a log."""


class Stage(Protocol):
    """How far the work is."""

    @property
    def done_sequences(self) -> int:
        """Sequences that need no more work, those of earlier runs included."""

    @property
    def total_sequences(self) -> int:
        """Sequences in all."""

    @property
    def rate(self) -> float:
        """Sequences of this run per second; 0 before the first."""


@contextmanager
def shown(doing: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[Stage], None]]:
    """
    Show on stderr how far the work inside the `with` block is.

    Parameters
    ----------
    doing : what is going on, e.g. "rendering"
    clock : seconds; decides when a log gets its next line

    Yields
    ------
    a function that the work calls, as often as it likes, with how far it is
    """
    console = Console(stderr=True)
    if not console.is_interactive:
        yield _lines(doing, clock)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[status]}"))
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=None, status="")

        def update(stage: Stage) -> None:
            bar.update(task, completed=stage.done_sequences, total=stage.total_sequences, status=status(stage))

        yield update


def status(stage: Stage) -> str:
    """Return e.g. "3,072 of 10,000 sequences, 757/s, 0:09 left"."""
    counts = f"{stage.done_sequences:,} of {stage.total_sequences:,} sequences"
    if not stage.rate:
        return counts
    left = (stage.total_sequences - stage.done_sequences) / stage.rate
    return f"{counts}, {speed(stage.rate)}, {duration(left)} left"


def speed(rate: float) -> str:
    """Return sequences per second to three digits at most, e.g. "757/s", "2.31/s"."""
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"


def duration(seconds: float) -> str:
    """Return minutes and seconds, with hours where there are any: "0:09", "1:02:03"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _lines(doing: str, clock: Callable[[], float]) -> Callable[[Stage], None]:
    last = clock()

    def update(stage: Stage) -> None:
        nonlocal last
        if clock() - last >= LINE_SECONDS:
            last = clock()
            click.echo(f"{doing}: {status(stage)}", err=True)

    return update
