"""The jobs of a plan, several at once: what is done is skipped, what failed is told, what was cut off goes on."""

import shlex
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Final, Literal, NamedTuple

from trainer.machine import cores
from trainer.reproduction.folder import cannot_write
from trainer.reproduction.plan import Job, digests_of, longest_first, makespan
from trainer.reproduction.processes import Child, End, log_file
from trainer.reproduction.records import Record, is_done, read_record, write_record, write_text

SUPERSEDED = "superseded"
PAUSE: Final = 0.05
"""Seconds between two looks at the jobs that run."""
GRACE: Final = 60.0
"""Seconds that jobs have to save and end where the engine itself cannot go on."""

State = Literal["done", "failed", "not run", "stopped"]


class Outcome(NamedTuple):
    """What became of a job."""

    state: State
    reason: str = ""
    """In one line, why it is not done."""


class Event(NamedTuple):
    """A job started or ended."""

    job: str
    state: State | Literal["started"]
    reason: str
    seconds: float
    """It took; 0 where it started."""
    done: int
    """Jobs."""
    total: int
    left: float
    """Seconds that all will take still, by estimates and the pace so far."""


@dataclass(frozen=True)
class Report:
    """What a call of `run_jobs` left."""

    outcomes: Mapping[str, Outcome]
    """Of every job, by name."""
    stopped: signal.Signals | None
    """The signal that ended it before the last job could start or end."""


def run_jobs(
    jobs: Sequence[Job],
    folder: Path,
    workers: int,
    *,
    lock: int | None = None,
    show: Callable[[Event], None] = lambda _event: None,
) -> Report:
    """
    Run what is not done yet; the same call again runs what failed or was cut off, and what has changed.

    A job that fails stops only those that need it. SIGTERM and SIGINT are passed on to the jobs as SIGTERM, and their
    ends are awaited; a second signal kills them. Jobs get SIGTERM too where the engine is killed.

    Parameters
    ----------
    jobs : each after those that it needs
    folder : of results, locked
    workers : processes side by side, >= 1; each has its share of the processors
    lock : file descriptor of the folder's lock, which the jobs inherit
    show : is told of every start and end

    Raises
    ------
    InputError
        the folder cannot be written, e.g. because the disk is full; the jobs that ran were stopped and may go on.
    """
    crew = _Crew(jobs, folder, workers, () if lock is None else (lock,), show)
    with _stopping() as stopped:
        try:
            return crew.work(stopped)
        except OSError as error:
            raise cannot_write(folder, error) from error
        finally:
            crew.leave()


@dataclass
class _Crew:
    """The jobs of a plan and what became of them."""

    jobs: Sequence[Job]
    folder: Path
    workers: int
    inherited: tuple[int, ...]
    show: Callable[[Event], None]
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    running: dict[str, Child] = field(default_factory=dict)
    killed: bool = False
    """Whether a second signal has ended them all."""
    wall: float = 0.0
    estimated: float = 0.0
    """Seconds that the jobs that ended took, and were to take."""

    def __post_init__(self) -> None:
        self.digests = digests_of(self.jobs)
        self.order = longest_first(self.jobs)
        for job in self.jobs:
            if is_done(read_record(self.folder, job.name), self.digests[job.name]):
                self.outcomes[job.name] = Outcome("done")

    def work(self, stopped: Callable[[], Sequence[signal.Signals]]) -> Report:
        """Run all jobs, or until a signal has stopped those that run."""
        passed_on = 0
        while True:
            self._collect()
            asked = stopped()
            for place in range(passed_on, min(len(asked), 2)):
                self.killed = place == 1
                for child in self.running.values():
                    child.kill() if self.killed else child.stop()
            passed_on = len(asked)
            if not asked:
                self._start_all()
            if not self.running:
                break
            time.sleep(PAUSE)
        for job in self.jobs:
            self.outcomes.setdefault(job.name, Outcome("stopped", "was not started"))
        cut_off = any(outcome.state == "stopped" for outcome in self.outcomes.values())
        return Report(self.outcomes, asked[0] if asked and cut_off else None)

    def leave(self) -> None:
        """Leave no job behind."""
        for child in self.running.values():
            child.stop()
        end = time.monotonic() + GRACE
        while any(child.ended() is None for child in self.running.values()) and time.monotonic() < end:
            time.sleep(PAUSE)
        for child in self.running.values():
            child.kill()

    def _collect(self) -> None:
        """Record the jobs that have ended."""
        for name, child in list(self.running.items()):
            end = child.ended()
            if end is None:
                continue
            del self.running[name]
            self.wall += end.wall_seconds
            self.estimated += child.job.estimate
            earlier = read_record(self.folder, name)
            write_record(self.folder, name, self._record(child.job, earlier, end))
            cut_off = end.return_code is None or (self.killed and end.return_code != 0)
            state: State = "stopped" if cut_off else "failed" if end.return_code else "done"
            self._settle(child.job, Outcome(state, end.reason), end.wall_seconds)

    def _start_all(self) -> None:
        """Start as many jobs as may run, those first that others wait for longest; give up those that cannot."""
        for job in self.order:
            if job.name in self.outcomes or job.name in self.running:
                continue
            lacking = next((need for need in job.needs if self._state(need) not in (None, "done")), None)
            if lacking is not None:
                self._settle(job, Outcome("not run", self._why_not(lacking)), 0.0)
            elif len(self.running) < self.workers and all(self._state(need) == "done" for need in job.needs):
                self._start(job)

    def _start(self, job: Job) -> None:
        digest = self.digests[job.name]
        earlier = read_record(self.folder, job.name)
        if earlier is not None and earlier.digest != digest and job.product is not None:
            _put_aside(self.folder, job.product, earlier.digest)
        for path, text in job.files:
            write_text(self.folder / path, text)
        if job.product is not None:
            (self.folder / job.product).parent.mkdir(parents=True, exist_ok=True)
        write_record(self.folder, job.name, self._record(job, earlier, None))
        self.running[job.name] = Child(job, self.folder, max(cores() // self.workers, 1), self.inherited)
        self._tell(job, "started", "", 0.0)

    def _record(self, job: Job, earlier: Record | None, end: End | None) -> Record:
        """Return the record of a job that starts or ends; the times of its earlier starts are added."""
        digest = self.digests[job.name]
        record = Record(command=shlex.join(job.command), digest=digest)
        if earlier is not None and earlier.digest == digest and not is_done(earlier, digest):
            record = replace(record, wall_seconds=earlier.wall_seconds, cpu_seconds=earlier.cpu_seconds)
        if end is None:
            return record
        return replace(
            record,
            return_code=end.return_code,
            wall_seconds=record.wall_seconds + end.wall_seconds,
            cpu_seconds=record.cpu_seconds + end.cpu_seconds,
        )

    def _state(self, name: str) -> State | None:
        return self.outcomes[name].state if name in self.outcomes else None

    def _why_not(self, need: str) -> str:
        """Return what failed first of what a job needs."""
        state, reason = self.outcomes[need]
        return reason if state == "not run" else f"{need}: {reason}"

    def _settle(self, job: Job, outcome: Outcome, seconds: float) -> None:
        self.outcomes[job.name] = outcome
        self._tell(job, outcome.state, outcome.reason, seconds)

    def _tell(self, job: Job, state: State | Literal["started"], reason: str, seconds: float) -> None:
        done = sum(outcome.state == "done" for outcome in self.outcomes.values())
        self.show(Event(job.name, state, reason, seconds, done, len(self.jobs), self._left()))

    def _left(self) -> float:
        """Estimate the seconds until all is done."""
        pace = self.wall / self.estimated if self.estimated else 1.0
        now = time.monotonic()

        def seconds(job: Job) -> float:
            spent = now - self.running[job.name].started if job.name in self.running else 0.0
            return max(job.estimate * pace - spent, 0.0)

        left = [replace(job, estimate=seconds(job)) for job in self.jobs if job.name not in self.outcomes]
        return makespan(left, self.workers, self.running)


def failures(report: Report, folder: Path) -> list[str]:
    """Return a line for every job that failed: its name, why, and where its log is."""
    return [
        f"{name} failed: {outcome.reason}; its log is {log_file(folder, name)}"
        for name, outcome in report.outcomes.items()
        if outcome.state == "failed" or (outcome.state == "stopped" and report.stopped is None)
    ]


def _put_aside(folder: Path, product: str, digest: str) -> None:
    """Move what an earlier job of the same name made, so that nothing is lost and nothing of it is used."""
    path = folder / product
    if not path.exists():
        return
    target = folder / SUPERSEDED / f"{path.name}-{digest[:8]}"
    target.parent.mkdir(exist_ok=True)
    free = next(name for number in count() if not (name := target.with_name(f"{target.name}-{number}")).exists())
    path.rename(free)


@contextmanager
def _stopping() -> Iterator[Callable[[], Sequence[signal.Signals]]]:
    """Note SIGTERM and SIGINT while jobs run, for the loop to pass on."""
    asked: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: asked
        return

    def note(number: int, _frame: FrameType | None) -> None:
        asked.append(signal.Signals(number))

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: tuple(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
