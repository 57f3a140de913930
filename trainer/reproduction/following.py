"""
Run a command that is told to stop when the process that started it dies, even by SIGKILL.

`python following.py PARENT COMMAND...`, where PARENT is the number of that process. A step between the two processes,
since what runs between fork and exec (`preexec_fn`) may hang where there are threads.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
"""From <linux/prctl.h>; the setting outlives exec."""


def follow(parent: int, command: list[str]) -> None:
    """
    Become a command that gets SIGTERM when its parent dies; elsewhere than on Linux it only becomes the command.

    Parameters
    ----------
    parent : number of the process that started this one
    command : program and arguments
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before
            return
    try:
        os.execvp(command[0], command)  # noqa: S606, the command is the plan's
    except OSError as error:
        sys.exit(f"error: {command[0]} cannot be run: {(error.strerror or str(error)).lower()}")


if __name__ == "__main__":
    follow(int(sys.argv[1]), sys.argv[2:])
