"""Locks on files, which the system gives back when a process ends, however it ends."""

from typing import IO, Any

from schemas.errors import LockedStoreError


def lock(file: IO[Any], busy: str, *, wait: bool = False) -> None:
    """
    Lock an open file until it is closed, here and in every process that inherits it.

    Parameters
    ----------
    busy : what to say where another process holds it
    wait : until that process gives it back, instead

    Raises
    ------
    LockedStoreError
        another process holds it.
    """
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedStoreError(busy) from None
