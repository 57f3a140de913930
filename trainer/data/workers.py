"""Who reads blocks: threads of this process, or processes of their own."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import parent_process
from time import perf_counter
from typing import Final, NamedTuple

from torch import multiprocessing

from schemas.errors import InputError
from trainer.data.blocks import Block, Request, arrived, known, load, load_elsewhere

READERS: Final = 4
"""Threads that read where there are no worker processes: for the latency of a network; for files one would do."""
KEPT_SECONDS: Final = 0.01
"""In which 16 MiB that are in memory are read for certain, and from a disk hardly."""


class Reading(NamedTuple):
    """A block that was asked for."""

    request: Request
    future: Future[Block] | None
    """None where there is nothing to be done before the block is needed."""

    def forget(self) -> None:
        """Do not begin to read it any more."""
        if self.future:
            self.future.cancel()


class Workers:
    """
    Threads or processes that read blocks in the order asked for, several at a time.

    A block of files that this process has read before is read when it is needed, which takes 0.1 ms while the system
    keeps it in memory: handing it to a thread takes longer, and makes the stream a sixth slower. If it takes long, the
    system has not kept it, and threads read from then on.

    Parameters
    ----------
    count : processes; 0 for threads of this process
    """

    def __init__(self, count: int) -> None:
        self._elsewhere = count > 0
        self._kept = not self._elsewhere
        self._pool: Executor
        if self._elsewhere:
            # Spawned: a forked process would share what threads of this one hold. With torch's context what they return
            # lies in shared memory, which the system frees with its last user, however they end.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(count, context, initializer=_prepare)
        else:
            self._pool = ThreadPoolExecutor(READERS, "blocks")

    def read(self, request: Request) -> Reading:
        """Begin to read a block."""
        if self._kept and known(request):
            return Reading(request, None)
        try:
            return Reading(request, self._pool.submit(load_elsewhere if self._elsewhere else load, request))
        except BrokenProcessPool as error:
            raise _dead() from error

    def block_of(self, reading: Reading) -> Block:
        """
        Return a block that was asked for; what no thread has begun to read is read at once.

        Raises
        ------
        InputError
            what `load` raises, or a worker process is gone.
        """
        if reading.future is None:
            started = perf_counter()
            block = load(reading.request)
            self._kept = self._kept and perf_counter() - started < KEPT_SECONDS
            return block
        if not self._elsewhere and reading.future.cancel():
            return load(reading.request)
        try:
            block = reading.future.result()
        except BrokenProcessPool as error:
            raise _dead() from error
        return arrived(block) if self._elsewhere else block

    def close(self) -> None:
        """Wait for what is being read, and end the threads or processes."""
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def reading(count: int) -> Iterator[Workers]:
    """Lend workers; see `Workers`."""
    workers = Workers(count)
    try:
        yield workers
    finally:
        workers.close()


def _prepare() -> None:
    """Leave Ctrl-C, which a terminal sends to all processes, to the main one; end when that one has ended, however."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(1)


def _dead() -> InputError:
    return InputError(
        "a process that reads data has died, perhaps for want of memory; run the same command again, with fewer workers"
    )
