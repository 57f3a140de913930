"""What a user sees while jobs run: a line for each that starts or ends, and on a terminal a bar below them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

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
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, left="")

        def update(event: Event) -> None:
            bar.console.print(line_of(event), markup=False, highlight=False, soft_wrap=True)
            bar.update(task, completed=event.done, total=event.total, left=f"about {duration(event.left)} left")

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
        case "stopped" | "not run":
            return f"{place} {event.state}: {event.reason}"
