"""Bytes that are made once while many ask for them, and kept while there is room."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping

Key = tuple[str, str]
"""Digest of a spec, key in its store."""


class ByteCache:
    """
    Keep the most recently used bytes; it belongs to one event loop.

    Parameters
    ----------
    most : bytes that are kept
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._being_made: dict[Key, asyncio.Task[Mapping[str, bytes]]] = {}
        self.size = 0
        self.hits = self.misses = 0

    def has(self, key: Key) -> bool:
        """Return whether the bytes of a key are there, or are being made."""
        return key in self._kept or key in self._being_made

    def kept(self, key: Key) -> bytes | None:
        """Return the bytes of a key if they are there."""
        data = self._kept.get(key)
        if data is not None:
            self.hits += 1
            self._kept.move_to_end(key)
        return data

    async def get(self, key: Key, make: Callable[[], Awaitable[Mapping[str, bytes]]]) -> bytes:
        """
        Return the bytes of a key.

        Parameters
        ----------
        make : makes them, and maybe those of other keys of the same spec that are likely to be asked for next; it goes
            on for the others that wait when one of them goes away
        """
        if (kept := self.kept(key)) is not None:
            return kept
        self.misses += 1
        task = self._being_made.get(key)
        if task is None:
            task = asyncio.ensure_future(make())
            self._being_made[key] = task
            task.add_done_callback(lambda done: self._made(key, done))
        made = await asyncio.shield(task)
        return made[key[1]]

    def _made(self, key: Key, task: "asyncio.Task[Mapping[str, bytes]]") -> None:
        del self._being_made[key]
        if task.cancelled() or task.exception() is not None:
            return
        for name, data in task.result().items():
            self._keep((key[0], name), data)

    def _keep(self, key: Key, data: bytes) -> None:
        if len(data) > self._most or key in self._kept:
            return
        self._kept[key] = data
        self.size += len(data)
        while self.size > self._most:
            _, oldest = self._kept.popitem(last=False)
            self.size -= len(oldest)
