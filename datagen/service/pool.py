"""Where interactive requests are rendered: few threads, a short queue, and work that ends when its client goes."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request

from datagen.service.problems import GoneError, RefusedError

Result = TypeVar("Result")


def go_on_unless(stop: threading.Event) -> None:
    """Raise GoneError where nobody waits for the work any more."""
    if stop.is_set():
        raise GoneError


class Gate:
    """Lets jobs wait while interactive requests are at work: jobs pass it before every sequence."""

    LONGEST = 0.25
    """Seconds that a job waits at most, so that requests without end cannot stop it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._at_work = 0

    def enter(self) -> None:
        """Begin interactive work."""
        with self._changed:
            self._at_work += 1

    def leave(self) -> None:
        """End interactive work."""
        with self._changed:
            self._at_work -= 1
            if not self._at_work:
                self._changed.notify_all()

    def wait(self) -> None:
        """Wait until no interactive work is under way, or long enough."""
        if self._at_work:  # read without the lock: a job that comes a moment early does no harm
            with self._changed:
                self._changed.wait_for(lambda: not self._at_work, self.LONGEST)


class RenderPool:
    """
    Threads for interactive work.

    Parameters
    ----------
    threads : of them
    waiting : requests that may wait for one
    gate : is held while there is work
    """

    def __init__(self, threads: int, waiting: int, gate: Gate) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="interactive")
        self._most = threads + waiting
        self._under_way = 0
        self._gate = gate

    async def run(self, request: Request, work: Callable[[threading.Event], Result]) -> Result:
        """
        Do work in a thread; where the client goes, ask it to stop.

        Parameters
        ----------
        work : is given an event that it is to look at often, and raises GoneError when that is set

        Raises
        ------
        RefusedError
            too many requests wait (429).
        GoneError
            the client has gone.
        """
        return await self._attended(partial(_gone, request), work)

    async def run_shared(self, work: Callable[[threading.Event], Result]) -> Result:
        """Do work that others wait for too; it does not end when one client goes."""
        return await self._attended(asyncio.get_running_loop().create_future, work)

    def close(self) -> None:
        """Take no more work, and forget what has not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _attended(self, gone: Callable[[], Awaitable[None]], work: Callable[[threading.Event], Result]) -> Result:
        if self._under_way >= self._most:
            raise RefusedError(
                429, f"{self._under_way} requests are under way already; try again", headers={"Retry-After": "1"}
            )
        stop = threading.Event()
        self._under_way += 1
        self._gate.enter()
        task = asyncio.get_running_loop().run_in_executor(self._pool, work, stop)
        watch = asyncio.ensure_future(gone())
        both: set[asyncio.Future[Any]] = {task, watch}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                stop.set()
                task.cancel()
            try:
                return await task
            except asyncio.CancelledError:
                raise GoneError from None
        finally:
            stop.set()
            watch.cancel()
            self._gate.leave()
            self._under_way -= 1


async def _gone(request: Request) -> None:
    """Return when the client has gone; what it still sends is not wanted."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
