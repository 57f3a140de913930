"""From what is asked for to a folder of results: the plan, its jobs, and what they found as a table with pictures."""

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from schemas.errors import MissingExtraError
from trainer.data.stores import open_store
from trainer.machine import version_of
from trainer.reproduction.engine import Event, Report, failures, run_jobs
from trainer.reproduction.folder import cannot_write, check, claim, locked
from trainer.reproduction.markdown import as_markdown
from trainer.reproduction.pictures import forecasts_picture, lead_times_picture, rows_picture
from trainer.reproduction.plan import Plan, digests_of, makespan
from trainer.reproduction.records import is_done, read_record, write_bytes, write_text
from trainer.reproduction.scores import scores_of
from trainer.reproduction.table import table_of
from trainer.reproduction.table1 import REAL, Budgets, Setting, table1_plan
from trainer.reproduction.verdicts import judge_all
from trainer.training.provenance import read_provenance, write_provenance

TABLE = "table1"


@dataclass(frozen=True)
class Results:
    """What a call of `reproduce` left."""

    page: Path
    """The table as Markdown, beside its JSON and pictures."""
    table: Mapping[str, Any]
    """As `trainer.reproduction.table.table_of` returns it; empty where a signal stopped the jobs."""
    failures: Sequence[str]
    """A line for each job that failed."""
    stopped: signal.Signals | None
    """The signal that stopped the jobs."""


def reproduce(
    setting: Setting,
    out: Path,
    workers: int,
    *,
    budgets: Budgets | None = None,
    show: Callable[[Event], None] = lambda _event: None,
) -> Results:
    """
    Run the jobs of the paper's first table that are not done yet, and write what all of them found.

    Parameters
    ----------
    setting : what is asked for
    out : folder of results, made where it is missing
    workers : jobs side by side, >= 1
    budgets : fields of `schedule` by row; None for those of the scale
    show : is told of every job that starts or ends

    Raises
    ------
    InputError
        rows or data are unknown, the folder is another plan's or another command's, or it cannot be written.
    MissingExtraError
        stores are to be rendered and datagen is not installed.
    """
    plan = table1_plan(setting, budgets)
    identity = identity_of(setting)
    if setting.data is None:
        _require_datagen()
    with locked(out) as lock:
        claim(out, identity)
        try:
            write_provenance(out)
        except OSError as error:
            raise cannot_write(out, error) from error
        report = run_jobs(plan.jobs, out, workers, lock=lock, show=show)
        table = {} if report.stopped else _write_table(plan, setting, identity, report, out)
    return Results(out / f"{TABLE}.md", table, failures(report, out), report.stopped)


def outlook(setting: Setting, out: Path, workers: int) -> dict[str, Any]:
    """
    Return what `reproduce` would do, ready for JSON: jobs, whether they are done, parameters and estimated seconds.

    Parameters
    ----------
    setting, out, workers : as for `reproduce`

    Raises
    ------
    InputError
        rows or data are unknown, or the folder is another plan's.
    """
    plan = table1_plan(setting)
    check(out, identity_of(setting))
    digests = digests_of(plan.jobs)
    done = {job.name for job in plan.jobs if is_done(read_record(out, job.name), digests[job.name])}
    left = [job for job in plan.jobs if job.name not in done]
    return {
        "rows": [{"name": row.name, "title": row.title, "parameters": row.parameters} for row in plan.rows],
        "jobs": [
            {
                "name": job.name,
                "command": list(job.command),
                "needs": list(job.needs),
                "parameters": job.parameters,
                "cpu_seconds": round(job.estimate),
                "done": job.name in done,
            }
            for job in plan.jobs
        ],
        "workers": workers,
        "cpu_seconds": round(sum(job.estimate for job in left)),
        "seconds": round(makespan(left, workers)),
    }


def identity_of(setting: Setting) -> dict[str, Any]:
    """
    Return what tells the results of a setting from those of others, ready for JSON.

    Raises
    ------
    InputError
        a store that is given cannot be read.
    """
    stores = {} if setting.data is None else setting.stores
    return {
        "package": version_of(),
        "table": TABLE,
        "scale": setting.scale,
        "seeds": setting.seeds,
        "rows": list(setting.rows),
        "data": {name: open_store(path).attributes["digest"] for name, path in stores.items()} or None,
        "sprites": setting.sprites,
    }


def _write_table(
    plan: Plan, setting: Setting, identity: Mapping[str, Any], report: Report, out: Path
) -> dict[str, Any]:
    scores = scores_of(plan, report.outcomes, out)
    table = table_of(scores, judge_all(scores), identity, read_provenance(out))
    pictures = {
        f"{TABLE}-rows.png": rows_picture(table),
        f"{TABLE}-lead-times.png": lead_times_picture(table),
        f"{TABLE}.gif": forecasts_picture(plan, scores, setting.stores[REAL], out),
    }
    drawn = {name: data for name, data in pictures.items() if data is not None}
    try:
        for name, data in drawn.items():
            write_bytes(out / name, data)
        write_text(out / f"{TABLE}.json", json.dumps(table, indent=2) + "\n")
        write_text(out / f"{TABLE}.md", as_markdown(table, tuple(drawn)))
    except OSError as error:
        raise cannot_write(out, error) from error
    return table


def _require_datagen() -> None:
    for package in ("datagen", "numba"):
        if find_spec(package) is None:
            raise MissingExtraError(
                f"{package} is not installed, and the stores are to be rendered; pip install 'stmoe-synth[datagen]', "
                "or give --data DIR with stores"
            )
