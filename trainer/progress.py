"""How far a run is: a bar on a terminal, a plain line every few seconds in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LINE_SECONDS = 10.0
"""Between two lines in a log."""


class Report(Protocol):
    """How far a phase is."""

    @property
    def phase(self) -> str:
        """Name of the phase."""

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def steps(self) -> int:
        """Steps at most."""

    @property
    def loss(self) -> float:
        """Of the last step."""

    @property
    def best(self) -> float | None:
        """Lowest validation error so far."""


@contextmanager
def shown(clock: Callable[[], float] = time.monotonic) -> Iterator[Callable[[Report], None]]:
    """
    Show on stderr how far the phases inside the `with` block are.

    Parameters
    ----------
    clock : seconds; tells the pace, and when a log gets its next line

    Yields
    ------
    a function that the loop calls after every step
    """
    console, pace = Console(stderr=True), _Pace(clock)
    if not console.is_interactive:
        yield _lines(pace, clock)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[status]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, status="")

        def update(report: Report) -> None:
            status = pace.status(report)
            bar.update(task, description=report.phase, completed=report.step, total=report.steps, status=status)

        yield update


class _Pace:
    """Steps a second of the present phase."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._phase, self._step, self._started = "", 0, 0.0

    def status(self, report: Report) -> str:
        """Return e.g. "1,200 of 3,000 steps, loss 0.0123, best 9.41, 4:10 left"."""
        if report.phase != self._phase:
            self._phase, self._step, self._started = report.phase, report.step, self._clock()
        parts = [f"{report.step:,} of {report.steps:,} steps", f"loss {report.loss:.4g}"]
        if report.best is not None:
            parts.append(f"best {report.best:.4g}")
        done = report.step - self._step
        if done:
            left = (report.steps - report.step) * (self._clock() - self._started) / done
            parts.append(f"{duration(left)} left")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return minutes and seconds, with hours where there are any: "0:09", "1:02:03"."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _lines(pace: _Pace, clock: Callable[[], float]) -> Callable[[Report], None]:
    last = clock()

    def update(report: Report) -> None:
        nonlocal last
        status = pace.status(report)
        if clock() - last >= LINE_SECONDS or report.step == report.steps:
            last = clock()
            click.echo(f"{report.phase}: {status}", err=True)

    return update
