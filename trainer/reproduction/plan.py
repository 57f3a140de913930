"""A plan as data: jobs that need each other, and the rows of a table that they fill."""

import hashlib
import heapq
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

PERSISTENCE: Final = "persistence"
"""The row that every evaluation scores beside its own."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One process to run; its working directory is the folder of results, and all its paths are relative to that."""

    name: str
    """E.g. train/stmoe-id/1; of its log and record too."""
    command: tuple[str, ...]
    """`datagen` or `trainer` with arguments, or any other program."""
    needs: tuple[str, ...] = ()
    """Jobs that must be done before."""
    estimate: float = 0.0
    """CPU seconds."""
    parameters: int = 0
    """Of the network that it trains; 0 for other work."""
    files: tuple[tuple[str, str], ...] = ()
    """Path and text of what is written before it starts."""
    product: str | None = None
    """Path of what it makes: moved aside where an earlier job of this name, but not the same, made it."""


class Published(NamedTuple):
    """What the paper reports: squared error as its scale has it, and SSIM."""

    mse: float
    ssim: float


class Trial(NamedTuple):
    """One seed of a row."""

    job: str
    """Name of the job that evaluates it."""
    evaluation: str
    """Path of the scores."""
    runs: tuple[str, ...]
    """Folders of the runs whose mean forecast is scored."""
    training: tuple[str, ...]
    """Names of the jobs that trained them."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table."""

    name: str
    title: str
    trials: Mapping[int, Trial]
    """By seed; empty for persistence, and for an ensemble of more runs than there are."""
    parameters: int
    published: Published | None
    note: str = ""
    """What its numbers leave out."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Jobs in an order in which each finds what it needs, and the rows that they fill."""

    jobs: tuple[Job, ...]
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        """Refuse a name that comes twice, and a need that no earlier job meets: then there is no circle either."""
        before: set[str] = set()
        for job in self.jobs:
            if job.name in before:
                raise ValueError(f"two jobs are named {job.name}")
            if missing := set(job.needs) - before:
                raise ValueError(f"{job.name} needs {min(missing)}, and no job before it has that name")
            before.add(job.name)


def digests_of(jobs: Iterable[Job]) -> dict[str, str]:
    """
    Return by name what tells a job from others of that name: SHA-256 of its command, its files, and of what it needs.

    Parameters
    ----------
    jobs : each after those that it needs
    """
    found: dict[str, str] = {}
    for job in jobs:
        content = [job.name, job.command, job.files, [found[need] for need in job.needs]]
        found[job.name] = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return found


def needed(jobs: Sequence[Job], names: Collection[str]) -> tuple[Job, ...]:
    """
    Return the jobs of these names and all that they need, in the same order.

    Parameters
    ----------
    jobs : each after those that it needs
    """
    wanted = set(names)
    for job in reversed(jobs):
        if job.name in wanted:
            wanted.update(job.needs)
    return tuple(job for job in jobs if job.name in wanted)


def longest_first(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """
    Return jobs by the time from their start to the end of the last one that waits for them, the longest first.

    Where several may start, the first of them should: so no long job is left for the end, when other processors idle.

    Parameters
    ----------
    jobs : each after those that it needs
    """
    tails: dict[str, float] = dict.fromkeys((job.name for job in jobs), 0.0)
    chains: dict[str, float] = {}
    for job in reversed(jobs):
        chains[job.name] = job.estimate + tails[job.name]
        for need in job.needs:
            if need in tails:
                tails[need] = max(tails[need], chains[job.name])
    return tuple(sorted(jobs, key=lambda job: -chains[job.name]))


def makespan(jobs: Sequence[Job], workers: int, running: Collection[str] = ()) -> float:
    """
    Return the seconds that jobs take side by side, by their estimates.

    Parameters
    ----------
    jobs : what is left, each after those that it needs; needs that are not among them are met
    workers : how many run at once, >= 1
    running : names of those that have started, whose estimate is what they have left
    """
    names = {job.name for job in jobs}
    order = sorted(longest_first(jobs), key=lambda job: job.name not in running)
    estimates = {job.name: job.estimate for job in jobs}
    waiting = {job.name: {need for need in job.needs if need in names} for job in order}
    ends: list[tuple[float, str]] = []
    now = 0.0
    while waiting or ends:
        ready = [name for name, needs in waiting.items() if not needs]
        for name in ready[: workers - len(ends)]:
            heapq.heappush(ends, (now + estimates[name], name))
            del waiting[name]
        now, ended = heapq.heappop(ends)
        for needs in waiting.values():
            needs.discard(ended)
    return now
