"""Run jobs of a line of Python each, in this process or by an engine that can be killed."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.commands import ROOT
from trainer.reproduction.engine import Event, Report, run_jobs
from trainer.reproduction.folder import claim, locked
from trainer.reproduction.plan import Job

TOUCH = "import sys; from pathlib import Path; open('order', 'a').write(sys.argv[1] + '\\n')"
"""Note that a job ran, in the order of the ends."""
UNTIL_TOLD = """
import signal, sys, time
from pathlib import Path
def stop(*_):
    print("stopped by SIGTERM and saved; the same command continues", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
Path(sys.argv[1] + ".running").touch()
while not Path("go").exists():
    time.sleep(0.01)
Path(sys.argv[1]).touch()
"""
"""Run until there is a file `go`; on SIGTERM save and exit with 0, as `trainer fit` does."""
_ENGINE = """
import json, sys
from pathlib import Path
from trainer.reproduction.engine import run_jobs
from trainer.reproduction.folder import claim, locked
from trainer.reproduction.plan import Job
folder, jobs = Path(sys.argv[1]), json.loads(sys.argv[2])
jobs = [Job(**{name: tuple(each) if isinstance(each, list) else each for name, each in job.items()}) for job in jobs]
with locked(folder) as lock:
    claim(folder, {})
    report = run_jobs(jobs, folder, 2, lock=lock)
print(json.dumps([report.stopped and report.stopped.name, {n: o.state for n, o in report.outcomes.items()}]))
"""


def job(name: str, code: str = TOUCH, needs: Sequence[str] = (), **fields: object) -> Job:
    """Return a job that runs Python code with its name as argument."""
    return Job(name=name, command=(sys.executable, "-c", code, name), needs=tuple(needs), **fields)  # type: ignore[arg-type]


def run(folder: Path, *jobs: Job, workers: int = 2, events: list[Event] | None = None) -> Report:
    """Run jobs in this process."""
    seen: list[Event] = [] if events is None else events
    with locked(folder) as lock:
        claim(folder, {})
        return run_jobs(jobs, folder, workers, lock=lock, show=seen.append)


def start(folder: Path, *jobs: Job) -> subprocess.Popen[str]:
    """Run jobs by an engine that is a process of its own, two at once."""
    described = json.dumps([asdict(each) for each in jobs])
    return subprocess.Popen(
        [sys.executable, "-c", _ENGINE, folder, described],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def order(folder: Path) -> list[str]:
    """Return the names of the jobs that ran, in the order of their ends."""
    file = folder / "order"
    return file.read_text().splitlines() if file.exists() else []
