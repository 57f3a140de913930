"""What a user sees while jobs run: a line for each that starts or ends, and on a terminal a bar below them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task
from rich.text import Text

from trainer.progress import duration
from trainer.reproduction.engine import Event


@contextmanager
def shown() -> Iterator[Callable[[Event], None]]:
    """
    Show on stderr how far the jobs inside the `with` block are.

    Yields
    ------
    a function that the engine calls for every event
    """
    console = Console(stderr=True)
    if not console.is_interactive:
        yield lambda event: click.echo(line_of(event), err=True)
        return
    with Progress(BarColumn(), MofNCompleteColumn(), _Left(), console=console, transient=True) as bar:
        task = bar.add_task("", total=None, end=None)

        def update(event: Event) -> None:
            bar.console.print(line_of(event), markup=False, highlight=False, soft_wrap=True)
            bar.update(task, completed=event.done, total=event.total, end=time.monotonic() + event.left)

        yield update


def line_of(event: Event) -> str:
    """Return e.g. "[3/27] train/stmoe-id/1 done in 12:03, about 1:32:10 left"."""
    place = f"[{event.done}/{event.total}] {event.job}"
    left = f"about {duration(event.left)} left"
    match event.state:
        case "started":
            return f"{place} started, {left}"
        case "done":
            return f"{place} done in {duration(event.seconds)}, {left}"
        case "failed":
            return f"{place} failed after {duration(event.seconds)}: {event.reason}"
        case "not run":
            return f"{place} not run: {event.reason}"
        case "stopped":
            return f"{place} {event.reason}"


class _Left(ProgressColumn):
    """The time left, which runs on between two events."""

    def render(self, task: Task) -> Text:
        """Return e.g. "about 1:30 left"."""
        end = task.fields["end"]
        return Text("" if end is None else f"about {duration(max(end - time.monotonic(), 0.0))} left")
