"""The command `trainer reproduce`."""

import json
from pathlib import Path
from signal import SIGINT
from typing import Any, get_args

import click

from schemas.run import Scale
from trainer.machine import cores
from trainer.progress import duration

INTERRUPTED = 130


@click.command()
@click.argument("table", type=click.Choice(["table1"]))
@click.option("--scale", type=click.Choice(get_args(Scale)), default="small", show_default=True, help="sizes, budgets")
@click.option("--out", metavar="FOLDER", help="folder of results  [default: results/<table>]")
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True, help="runs of every row")
@click.option("--jobs", type=click.IntRange(min=1), help="processes side by side  [default: all cores]")
@click.option("--rows", metavar="ROW,...", help="only these rows  [default: all]")
@click.option("--data", metavar="DIR", help="folder or URL of the stores; without it they are rendered")
@click.option("--sprites", metavar="FOLDER|IDX-FILE", help="digits to render  [default: those of scikit-learn]")
@click.option("--dry-run", is_flag=True, help="print jobs, parameters and estimated time, and run nothing")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def reproduce(
    *,
    table: str,
    scale: Any,
    out: str | None,
    seeds: int,
    jobs: int | None,
    rows: str | None,
    data: str | None,
    sprites: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """
    Render, train and evaluate what a TABLE of the paper compares, and print the page with its numbers and verdicts.

    Jobs that do not depend on each other run side by side. The same command again continues what was cut off and tries
    again what failed; more --seeds or --rows extend it.
    """
    from trainer.reproduction import talk
    from trainer.reproduction.reproduce import outlook
    from trainer.reproduction.reproduce import reproduce as reproduce_table
    from trainer.reproduction.table1 import ROWS, Setting

    if data is not None and sprites is not None:
        raise click.UsageError("--sprites are for rendering, and with --data nothing is; give one of them")
    setting = Setting(
        scale=scale,
        seeds=seeds,
        rows=ROWS if rows is None else tuple(rows.split(",")),
        data=_absolute(data),
        sprites=_absolute(sprites),
    )
    folder, workers = Path(out or Path("results") / table), jobs or cores()
    if dry_run:
        found = outlook(setting, folder, workers)
        click.echo(_json(found) if as_json else _as_table(found))
        return
    with talk.shown() as show:
        results = reproduce_table(setting, folder, workers, show=show)
    for line in results.failures:
        click.echo(line, err=True)
    if results.stopped is not None:
        click.echo(f"stopped by {results.stopped.name}; the same command continues", err=True)
        raise click.exceptions.Exit(INTERRUPTED if results.stopped == SIGINT else 0)
    click.echo(_json(results.table) if as_json else str(results.page))
    if results.failures:
        raise click.ClickException(f"{len(results.failures)} jobs failed; the same command tries them again")


def _absolute(path: str | None) -> str | None:
    """Return a path as jobs find it, whose working directory is another; a URL as it is."""
    return path if path is None or "://" in path else str(Path(path).resolve())


def _as_table(found: dict[str, Any]) -> str:
    """Return the jobs and what they take as a table for a terminal."""
    header = ("job", "parameters", "CPU time", "")
    rows = [
        (
            job["name"],
            f"{job['parameters']:,}" if job["parameters"] else "",
            duration(job["cpu_seconds"]),
            "done" if job["done"] else "",
        )
        for job in found["jobs"]
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [
        "  ".join((name.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))))
        for name, *cells in (header, *rows)
    ]
    left = sum(not job["done"] for job in found["jobs"])
    total = (
        f"{left} of {len(rows)} jobs are left: about {duration(found['cpu_seconds'])} of CPU time, "
        f"{duration(found['seconds'])} with {found['workers']} side by side"
    )
    return "\n".join([*(line.rstrip() for line in lines), "", total])


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)
