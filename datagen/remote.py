"""Renders of a service as a command shows them: where a store goes, how far it is, how it ended."""

from collections.abc import Callable
from dataclasses import dataclass

import click

from datagen import progress
from datagen.client import Client
from datagen.progress import Stage
from schemas.errors import InputError
from schemas.render import RenderSpec
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


def render_there(service: str, spec: RenderSpec, n: int, out: str | None) -> tuple[str, Job]:
    """
    Let a service render a store and show how far it is; return its address, and the job as it ended.

    Parameters
    ----------
    service : URL
    out : name of the store there, or URL; None for the service's own choice

    Raises
    ------
    InputError
        the service does not answer, or refuses; the render failed, or was cancelled.
    click.exceptions.Exit
        the user interrupts; the service goes on.
    """
    name, target = place(out)
    with Client(service) as client:
        job = client.render(spec, n, name, target)
        try:
            click.echo(f"{client.url} renders {n:,} sequences as {job.id}, spec {job.digest[:12]}", err=True)
            with progress.shown("rendering") as update:
                job = follow(client, job, update)
        except KeyboardInterrupt:
            click.echo(f"interrupted; the service goes on, and the same command follows {job.id} again", err=True)
            raise click.exceptions.Exit(progress.INTERRUPTED) from None
        return (f"{target}/{job.id}.zarr" if job.zarr is None else client.address(job.zarr)), job


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
