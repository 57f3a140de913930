"""Renders of a service as a command shows them: where a store goes, how far it is, how it ended."""

from collections.abc import Callable
from dataclasses import dataclass

from datagen.client import Client
from datagen.progress import Stage
from schemas.errors import InputError
from schemas.service import Job


@dataclass(frozen=True)
class _Shown:
    """A job as a bar wants it."""

    job: Job

    @property
    def done_sequences(self) -> int:
        return self.job.done

    @property
    def total_sequences(self) -> int:
        return self.job.n

    @property
    def rate(self) -> float:
        return self.job.rate


def place(out: str | None) -> tuple[str | None, str | None]:
    """
    Return the name and the target that --out asks a service for: "a.zarr" is named a, "s3://bucket/a.zarr" goes there.

    Raises
    ------
    InputError
        it is a path, which means nothing on another machine.
    """
    if out is None:
        return None, None
    folder, _, last = out.rstrip("/").rpartition("/")
    if folder and ("://" not in out or folder.endswith(":/")):
        raise InputError(f"--out is {out}; give the name of a store there, without folders, or a URL that ends in one")
    return last.removesuffix(".zarr"), folder or None


def follow(client: Client, job: Job, update: Callable[[Stage], None]) -> Job:
    """
    Show a job until it is over, and return how it ended.

    Raises
    ------
    InputError
        it failed, or was cancelled.
    """
    for now in client.follow(job.id):
        update(_Shown(now))
        job = now
    if job.state == "failed":
        raise InputError(f"{job.id} failed: {job.reason}; the same command goes on with it")
    if job.state == "cancelled":
        raise InputError(f"{job.id} was cancelled; the same command goes on with it")
    return job
