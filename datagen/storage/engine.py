"""Render a spec into a store: the units that are missing, on threads or a Dask cluster, with progress and a report."""

import logging
import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from socket import gethostname
from time import perf_counter
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from datagen.rendering.sequence import Renderer
from datagen.storage.local_objects import LocalObjects
from datagen.storage.machine import machine_type
from datagen.storage.objects import objects_at
from datagen.storage.store import stored_fields
from datagen.storage.target import Target, begin, locked, stored_sprites
from datagen.storage.threads import render_on_threads
from datagen.storage.unit_renderer import UnitDone, UnitRenderer
from datagen.storage.units import Unit, unit_at
from datagen.warmup import warm_up
from schemas.errors import InputError, MissingExtraError
from schemas.render import RenderSpec

if TYPE_CHECKING:
    from distributed import Client, Future

Array = NDArray[Any]

_log = logging.getLogger(__name__)

TASK_RETRIES = 2
"""Times that a cluster tries a failed unit again, e.g. after a network error; a killed worker's unit is not counted."""
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Progress:
    """How far a render or a verification is, in sequences."""

    done_sequences: int
    """Committed, those of earlier runs included."""
    total_sequences: int
    resumed_sequences: int
    """Committed by earlier runs."""
    seconds: float

    @property
    def rate(self) -> float:
        """Sequences a second in this run."""
        return (self.done_sequences - self.resumed_sequences) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class RenderReport:
    """What a render did."""

    path: str
    n: int
    digest: str
    rendered: int
    """Sequences rendered by this run."""
    resumed: int
    """Sequences that were there already."""
    seconds: float
    """Since the kernels were ready."""
    kernel_seconds: float
    """Time in the renderer, summed over the workers."""
    bytes: int
    """Written by this run."""


def render_store(
    spec: RenderSpec,
    n: int,
    out: str | Path,
    *,
    sprites: Array | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    before_each: Callable[[], None] | None = None,
    produced_by: str = "datagen",
) -> RenderReport:
    """
    Render sequences 0 .. n-1 into a store, or go on with a store of the same spec that is incomplete or has fewer.

    An interrupt or a kill does no harm: committed units stay, and the same call goes on with the others.

    Parameters
    ----------
    spec : what to render
    n : sequences in the store
    out : local path or URL, e.g. s3://bucket/rotation.zarr; with a scheduler, one that all its workers reach
    sprites : (sprite, sprite_y, sprite_x) uint8, the images that the spec names; a store that has them needs none
    workers : threads that render, default all cores that this process may use
    scheduler : address of a Dask scheduler, e.g. tcp://10.0.0.1:8786, whose workers render instead of threads
    overwrite : whether to delete a store that lies there, of whatever spec
    progress : is called in this thread after each unit; what it raises ends the render after that unit
    before_each : is called in a worker before each sequence, and may let it wait; for threads alone
    produced_by : the program, for the store's attributes

    Raises
    ------
    SpecMismatchError
        a store of another spec lies there.
    LockedStoreError
        another process writes the store.
    MissingExtraError
        the path or the scheduler needs a package that is not installed.
    InputError
        n is smaller than the store's, something that is no store lies there, or the world refuses to be written to.
    """
    if workers is not None and (scheduler is not None or workers < 1):
        raise InputError(f"workers is {workers}; give 1 or more threads, or a scheduler, whose workers have their own")
    objects = objects_at(out)
    with _connected(scheduler) as cluster, locked(objects):  # connected before anything is touched
        if spec.sprites and sprites is None:
            sprites = stored_sprites(objects)
        renderer = UnitRenderer(Renderer(spec, sprites), objects, before_each)
        target = begin(objects, spec, n, sprites, overwrite=overwrite, program=produced_by)
        if cluster is None and not target.attributes.complete:
            warm_up()  # before the clock starts: the first time it takes a minute
        tally = _Tally(target, progress)
        if not target.attributes.complete:
            with closing(_render_missing(renderer, target, workers, cluster)) as rendering:
                for done in rendering:
                    tally.add(done)
            target.complete(tally.machines)
        return tally.report()


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Cluster:
    """A Dask cluster that is connected."""

    client: "Client"
    address: str
    """Of the scheduler, as the user gave it."""


class _Tally:
    """What has been rendered so far."""

    def __init__(self, target: Target, progress: Callable[[Progress], None] | None) -> None:
        self.machines: set[str] = set()
        self._target = target
        self._started = perf_counter()
        self._progress = progress
        self._rendered, self._kernel_seconds, self._bytes = 0, 0.0, 0

    def add(self, done: UnitDone) -> None:
        """Count a unit, and tell how far the render is."""
        self.machines.add(done.machine)
        self._rendered += len(done.unit)
        self._kernel_seconds += done.kernel_seconds
        self._bytes += done.bytes
        if self._progress:
            resumed = self._target.resumed
            seconds = perf_counter() - self._started
            self._progress(Progress(resumed + self._rendered, self._target.attributes.n, resumed, seconds))

    def report(self) -> RenderReport:
        """Return what was rendered, and how long it took."""
        return RenderReport(
            path=self._target.objects.path,
            n=self._target.attributes.n,
            digest=self._target.attributes.digest,
            rendered=self._rendered,
            resumed=self._target.resumed,
            seconds=perf_counter() - self._started,
            kernel_seconds=self._kernel_seconds,
            bytes=self._bytes,
        )


def _render_missing(
    renderer: UnitRenderer, target: Target, workers: int | None, cluster: _Cluster | None
) -> Generator[UnitDone, None, None]:
    """Render the units that are not finished and yield each once committed."""
    if cluster is not None:
        return _render_on_cluster(target, cluster)
    left = target.attributes.n - target.resumed
    return render_on_threads(renderer, target.missing(), sequences=left, workers=workers or available_cores())


def _render_on_cluster(target: Target, cluster: _Cluster) -> Generator[UnitDone, None, None]:
    """Render units as tasks of a Dask cluster and yield each once committed; a lost worker costs only its unit."""
    from distributed import KilledWorker, as_completed

    objects, spec, client = target.objects, target.spec, cluster.client
    path = str(objects.root.absolute()) if isinstance(objects, LocalObjects) else objects.path
    missing = target.missing()

    def submitted(unit: Unit) -> "Future[UnitDone]":
        arguments = (path, spec.canonical_json(), target.attributes.n, unit.index)
        return client.submit(render_unit, *arguments, pure=False, retries=TASK_RETRIES)

    try:
        threads = _threads(client)
        if not threads:
            _log.info("the Dask scheduler at %s has no workers; waiting for some", cluster.address)
        seen = set(threads)
        outstanding = as_completed([submitted(unit) for unit in islice(missing, _most_outstanding(threads))])
        for future in outstanding:
            yield future.result()
            threads = _threads(client)
            seen |= set(threads)
            for unit in islice(missing, max(0, _most_outstanding(threads) - outstanding.count())):
                outstanding.add(submitted(unit))
    except (CancelledError, OSError):
        raise InputError(
            f"the Dask scheduler at {cluster.address} is gone; finished units are kept, run the same command again"
        ) from None
    except KilledWorker as error:
        raise InputError(f"{error}; finished units are kept") from error
    if seen - set(threads):
        target.sweep()


def render_unit(path: str, spec_json: str, n: int, index: int) -> UnitDone:
    """
    Render and commit one unit on a worker of a cluster.

    Parameters
    ----------
    path : the store, which the coordinator has made
    spec_json : canonical JSON of its spec
    n : sequences in the store
    index : of the unit

    Raises
    ------
    InputError
        this worker does not see the store, another render has changed it, or it cannot be written.
    """
    spec = RenderSpec.model_validate_json(spec_json)
    fields = stored_fields(objects_at(path))
    if fields is None:
        raise InputError(
            f"the Dask worker on {gethostname()} does not see {path}; give a path that all workers share, or a URL"
        )
    if (fields["digest"], fields["n"]) != (spec.digest, n):
        raise InputError(f"{path} was changed by another render; run the same command again")
    return _renderer_on_worker(path, spec_json).render(unit_at(spec, n, index), machine_type())


@lru_cache(maxsize=2)
def _renderer_on_worker(path: str, spec_json: str) -> UnitRenderer:
    """Make ready once in each process of a cluster; sprites lie in the store."""
    warm_up()
    objects = objects_at(path)
    return UnitRenderer(Renderer(RenderSpec.model_validate_json(spec_json), stored_sprites(objects)), objects)


@contextmanager
def _connected(address: str | None) -> Iterator[_Cluster | None]:
    """Connect to a cluster, if there is to be one."""
    if address is None:
        yield None
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError(
            "--scheduler needs dask, which is not installed; pip install 'stmoe-synth[dask]'"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address}; give its address, e.g. tcp://10.0.0.1:8786"
        ) from error
    with closing(client):
        yield _Cluster(client, address)


def _threads(client: "Client") -> dict[str, int]:
    """Return the threads of every worker by its address; workers come and go."""
    return dict(client.nthreads())


def _most_outstanding(threads: dict[str, int]) -> int:
    """Return how many tasks the cluster should hold: each thread one to work at and one to go on with."""
    return max(2, 2 * sum(threads.values()))
