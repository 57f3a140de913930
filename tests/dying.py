"""Kill a render at any step without a process of its own: from then on nothing that it does can be seen."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Death(BaseException):
    """What ends a process at once."""


@contextmanager
def dying_after(steps: int, root: Path, log: list[str]) -> Iterator[None]:
    """
    Let the step after `steps` others kill: it does nothing, and nothing that comes after it does either.

    A step is what others can see: a file comes to its place, or a file or folder goes.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("replace", "unlink", "rmdir"):
            patch.setattr(os, name, _mortal(getattr(os, name), steps, root, log))
        yield


def _mortal(function: Callable[..., Any], steps: int, root: Path, log: list[str]) -> Callable[..., Any]:
    def step(*arguments: Any, **more: Any) -> Any:
        target = str(arguments[-1])
        if target.endswith(".lock"):
            return function(*arguments, **more)
        if len(log) >= steps:
            raise Death
        log.append(target.removeprefix(f"{root}/") if target.startswith("/") else f"some folder's {target}")
        return function(*arguments, **more)

    return step
