"""Renders that were asked for: a queue of stores that are not complete, and the threads that finish them."""

import asyncio
import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

from datagen.service.job_records import (
    begun,
    forget_place,
    job_of_store,
    keep_place,
    mark_cancelled,
    unfinished,
)
from datagen.service.pool import Gate
from datagen.service.problems import RefusedError
from datagen.service.settings import PROGRAM, Settings
from datagen.service.sprites import sprites_of
from datagen.storage.engine import Progress, render_store
from datagen.storage.objects import objects_at
from schemas.errors import InputError
from schemas.render import RenderSpec
from schemas.service import Job, JobState, RenderRequest
from schemas.store import frame_layouts, table_layouts

RETRY_SECONDS: Final = 5.0
"""Between two looks whether a Dask scheduler answers again."""
KEEP: Final = 1000
"""Jobs that are over and are remembered; stores remember those that are finished for ever."""

_log = logging.getLogger(__name__)


class _StopError(Exception):
    """The job is cancelled, or the service stops."""


@dataclass(eq=False)
class _Render:
    """One job under way; the lock of `Jobs` guards it."""

    id: str
    spec: RenderSpec
    n: int
    path: str
    state: JobState = "queued"
    done: int = 0
    rate: float = 0.0
    reason: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False
    listeners: set[asyncio.Event] = field(default_factory=set)

    def shown(self) -> Job:
        """Return what clients see."""
        left = (self.n - self.done) / self.rate if self.state == "running" and self.rate else None
        local = self.state == "finished" and "://" not in self.path
        return Job(
            id=self.id,
            state=self.state,
            digest=self.spec.digest,
            n=self.n,
            done=self.done,
            rate=self.rate if self.state == "running" else 0.0,
            seconds_left=left,
            reason=self.reason,
            zarr=f"/v1/stores/{self.id}/zarr" if local else None,
        )


class Jobs:
    """
    The renders of one service. The store is the job's record, so that none is lost with the process.

    Parameters
    ----------
    settings : of the service
    gate : that jobs pass before every sequence, so that they yield to interactive requests
    """

    def __init__(self, settings: Settings, gate: Gate) -> None:
        self._settings, self._gate = settings, gate
        self._changed = threading.Condition()
        self._renders: dict[str, _Render] = {}
        self._queue: deque[_Render] = deque()
        self._stopped = False
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Go on with what was left unfinished, and begin to work."""
        self._loop = loop
        self._recover()
        self._threads = [
            threading.Thread(target=self._work, name=f"job-{place}", daemon=True)
            for place in range(self._settings.jobs)
        ]
        for thread in self._threads:
            thread.start()

    def begin_stop(self) -> None:
        """Ask jobs to end after the units in hand, and streams of events to end at once; safe in a signal's handler."""
        self._stopped = True
        for render in list(self._renders.values()):
            render.stop.set()
            self._tell(render)

    def stop(self, seconds: float) -> None:
        """Finish the units in hand and leave the rest for the next start; wait for that so long at most."""
        self.begin_stop()
        with self._changed:
            self._changed.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def submit(self, asked: RenderRequest) -> tuple[Job, bool]:
        """
        Take on a job; the same one is not taken twice, and one that failed or was cancelled is revived.

        Returns
        -------
        the job, and whether there is something new to do

        Raises
        ------
        RefusedError
            the name or the target is not allowed, the store would be too large (422), or too many wait (429).
        SpecMismatchError
            another spec has this name.
        InputError
            a larger n has this name, or the store cannot be written.
        """
        name = asked.name or f"{asked.spec.property.kind}-{asked.spec.digest[:12]}-{asked.n}"
        path = self._place(name, asked.target)
        self._require_room(asked)
        sprites = sprites_of(asked.spec)
        with self._changed:
            known = self._renders.get(name)
            if known is not None and known.path == path and known.state in ("queued", "running", "waiting"):
                if (known.spec.digest, known.n) == (asked.spec.digest, asked.n):
                    return known.shown(), False
                raise RefusedError(
                    409, f"{name} is being rendered with another spec or n; give another name", field="name"
                )
            if len(self._queue) >= self._settings.queued_jobs:
                raise RefusedError(
                    429, f"{len(self._queue)} renders wait already; try again later", headers={"Retry-After": "60"}
                )
        if asked.target is not None:
            keep_place(self._settings.data_root, name, path)
        finished = begun(objects_at(path), asked.spec, asked.n, sprites)
        render = _Render(name, asked.spec, asked.n, path, "finished" if finished else "queued")
        render.done = asked.n if finished else 0
        with self._changed:
            racer = self._renders.get(name)
            if racer is not None and racer.state in ("queued", "running", "waiting"):
                return racer.shown(), False
            self._remember(render)
            if not finished:
                self._queue.append(render)
                self._changed.notify()
            return render.shown(), not finished

    def get(self, name: str) -> Job:
        """Return a job; raises RefusedError where there is none (404)."""
        with self._changed:
            if name in self._renders:
                return self._renders[name].shown()
        return job_of_store(self._settings.data_root, name)

    def all(self) -> list[Job]:
        """Return the jobs that this process knows, the newest last."""
        with self._changed:
            return [render.shown() for render in self._renders.values()]

    def cancel(self, name: str) -> Job:
        """
        Cancel a job at the next unit; one that is over stays as it is.

        Raises
        ------
        RefusedError
            there is no such job (404).
        """
        with self._changed:
            render = self._renders.get(name)
            if render is None:
                job = None
            elif render.shown().over:
                return render.shown()
            else:
                render.cancelled = True
                render.stop.set()
                if render in self._queue:
                    self._queue.remove(render)
                    self._set(render, "cancelled")
                job = render.shown()
        if job is None or render is None:
            return job_of_store(self._settings.data_root, name)
        if job.state == "cancelled":
            mark_cancelled(render.path)
        return job

    async def events(self, name: str) -> AsyncIterator[Job]:
        """Yield a job now and whenever it changes, until it is over or the service stops; raises RefusedError."""
        with self._changed:
            render = self._renders.get(name)
        if render is None:
            yield self.get(name)
            return
        changed = asyncio.Event()
        render.listeners.add(changed)
        try:
            while True:
                changed.clear()
                job = render.shown()
                yield job
                if job.over or self._stopped:
                    return
                await changed.wait()
        finally:
            render.listeners.discard(changed)

    def counts(self) -> dict[JobState, int]:
        """Return how many jobs are in each state."""
        states: tuple[JobState, ...] = ("queued", "running", "waiting", "finished", "failed", "cancelled")
        with self._changed:
            found = [render.state for render in self._renders.values()]
        return {state: found.count(state) for state in states}

    def _place(self, name: str, target: str | None) -> str:
        if target is None:
            return str(self._settings.data_root / f"{name}.zarr")
        allowed = [each.rstrip("/") for each in self._settings.targets]
        base = target.rstrip("/")
        if ".." in base.split("/") or not any(base == each or base.startswith(f"{each}/") for each in allowed):
            raise RefusedError(
                422, f"target is {target[:100]}; the operator allows {', '.join(allowed) or 'none'}", field="target"
            )
        return f"{base}/{name}.zarr"

    def _require_room(self, asked: RenderRequest) -> None:
        layouts = frame_layouts(asked.spec) + table_layouts(asked.spec)
        size = asked.n * sum(layout.sequence_bytes for layout in layouts)
        most = self._settings.store_bytes
        if size > most:
            raise RefusedError(
                422, f"n is {asked.n}, a store of {size:,} bytes; the operator allows {most:,}", field="n"
            )
        if asked.target is None:
            self._settings.data_root.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._settings.data_root).free
            if size > free:
                raise RefusedError(422, f"n is {asked.n}, a store of {size:,} bytes; the disk has {free:,}", field="n")

    def _recover(self) -> None:
        for name, path, store in unfinished(self._settings.data_root):
            render = _Render(name, store.spec, store.n, path)
            render.cancelled = bool(store.fields.get("cancelled", False))
            render.state = "cancelled" if render.cancelled else "queued"
            self._remember(render)
            if not render.cancelled:
                self._queue.append(render)

    def _remember(self, render: _Render) -> None:
        old = self._renders.pop(render.id, None)
        if old is not None:
            render.listeners |= old.listeners
        self._renders[render.id] = render
        over = [each.id for each in self._renders.values() if each.shown().over]
        for name in over[: max(len(over) - KEEP, 0)]:
            del self._renders[name]

    def _work(self) -> None:
        while (render := self._next()) is not None:
            try:
                self._render_or_stop(render)
            except InputError as error:
                self._change(render, "failed", str(error))
            except Exception as error:  # noqa: BLE001  # a job's border: the service lives on
                _log.exception("job %s failed", render.id)
                self._change(render, "failed", f"the service failed: {type(error).__name__}")

    def _render_or_stop(self, render: _Render) -> None:
        try:
            self._render(render)
        except _StopError:
            if render.cancelled:
                mark_cancelled(render.path)
            self._change(render, "cancelled" if render.cancelled else "queued")

    def _next(self) -> _Render | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopped)
            if self._stopped:
                return None
            render = self._queue.popleft()
            self._set(render, "running")
            return render

    def _render(self, render: _Render) -> None:
        def heard(progress: Progress) -> None:
            with self._changed:
                render.done, render.rate = progress.done_sequences, progress.rate
                render.state, render.reason = "running", None
            self._tell(render)
            if render.stop.is_set() and progress.done_sequences < progress.total_sequences:
                raise _StopError

        while True:
            if render.stop.is_set():
                raise _StopError
            try:
                self._call_engine(render, heard)
            except InputError as error:
                if self._settings.scheduler is None or "Dask scheduler" not in str(error):
                    raise
                self._change(render, "waiting", str(error))
                render.stop.wait(RETRY_SECONDS)
                continue
            render.done = render.n
            forget_place(self._settings.data_root, render.id)
            self._change(render, "finished")
            return

    def _call_engine(self, render: _Render, heard: Callable[[Progress], None]) -> None:
        scheduler = self._settings.scheduler
        render_store(
            render.spec,
            render.n,
            render.path,
            sprites=sprites_of(render.spec),
            workers=self._settings.threads if scheduler is None else None,
            scheduler=scheduler,
            progress=heard,
            before_each=None if scheduler else self._gate.wait,
            produced_by=PROGRAM,
        )

    def _change(self, render: _Render, state: JobState, reason: str | None = None) -> None:
        with self._changed:
            self._set(render, state, reason)

    def _set(self, render: _Render, state: JobState, reason: str | None = None) -> None:
        render.state, render.reason = state, reason
        self._tell(render)

    def _tell(self, render: _Render) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(_wake, render)


def _wake(render: _Render) -> None:
    for listener in list(render.listeners):
        listener.set()
