"""One job as a process: started in the folder of results, logged, followed to its end, and what it used."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, NamedTuple

import trainer
from trainer.reproduction import following
from trainer.reproduction.plan import Job

LOGS = "logs"
CONTINUES: Final = "the same command continues"
"""What `datagen` and `trainer` say last where a signal stopped them, whatever they exit with."""
_STOPPED = (-signal.SIGTERM, -signal.SIGINT, 130)
"""What else a process exits with that was asked to stop; 130 is what `datagen` and `trainer` make of SIGINT."""
_TAIL_BYTES = 4096
_REASON_LENGTH = 200
_SOURCES = Path(trainer.__file__).parent.parent


class End(NamedTuple):
    """How a job ended."""

    return_code: int | None
    """None where a signal stopped it, and it will go on from there."""
    reason: str
    """In one line, why it is not done; empty where it is."""
    wall_seconds: float
    cpu_seconds: float


class Child:
    """
    A job that runs.

    Parameters
    ----------
    job : its files are written, and there is a folder for its product
    folder : of results; its working directory
    threads : for its numerical libraries
    inherited : file descriptors that it shall hold

    Raises
    ------
    OSError
        its log cannot be written.
    """

    def __init__(self, job: Job, folder: Path, threads: int, inherited: tuple[int, ...]) -> None:
        self.job = job
        self.started = time.monotonic()
        self._end: End | None = None
        log = log_file(folder, job.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            file.write(f"$ {shlex.join(job.command)}\n".encode())
            file.flush()
            self._log, self._begin = log, file.tell()
            self._process = _started(job, folder, threads, inherited, file)

    def ended(self) -> End | None:
        """Return how it ended; None while it runs."""
        if self._end is None:
            # Not Popen.wait: that does not tell what the process used.
            number, status, usage = os.wait4(self._process.pid, os.WNOHANG)
            if number:
                self._process.returncode = os.waitstatus_to_exitcode(status)
                seconds = time.monotonic() - self.started, usage.ru_utime + usage.ru_stime
                self._end = _ended(self._process.returncode, self._last_lines(), *seconds)
        return self._end

    def stop(self) -> None:
        """Ask it to save and end."""
        if self._end is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        if self._end is None:
            os.killpg(self._process.pid, signal.SIGKILL)

    def _last_lines(self) -> list[str]:
        """Return the end of what it wrote since it started."""
        with self._log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(self._begin, end - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
        return [line.strip() for line in text.splitlines() if line.strip()]


def log_file(folder: Path, job: str) -> Path:
    """Return where the log of a job lies."""
    return folder / LOGS / f"{job}.log"


def _started(
    job: Job, folder: Path, threads: int, inherited: tuple[int, ...], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """
    Start the process of a job in a group of its own, so that Ctrl-C reaches the engine alone, which passes it on once.

    It finds the packages where this process found them, installed or not.
    """
    paths = [str(_SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment: Mapping[str, str] = os.environ | {
        "OMP_NUM_THREADS": str(threads),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    follower = (sys.executable, following.__file__, str(os.getpid()))
    return subprocess.Popen(  # noqa: S603, the command is the plan's
        [*follower, *_program(job.command)],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        pass_fds=inherited,
        start_new_session=True,
    )


def _program(command: tuple[str, ...]) -> tuple[str, ...]:
    """Return what to run; the packages' own programs by this interpreter, whatever lies on the path."""
    match command:
        case ("datagen" | "trainer" as module, *arguments):
            return (sys.executable, "-m", module, *arguments)
        case _:
            return command


def _ended(code: int, lines: list[str], wall: float, cpu: float) -> End:
    """Say how a process ended that wrote these lines last."""
    if code in _STOPPED or (code == 0 and any(CONTINUES in line for line in lines)):
        return End(None, f"was stopped; {CONTINUES}", wall, cpu)
    return End(code, _reason(code, lines) if code else "", wall, cpu)


def _reason(code: int, lines: list[str]) -> str:
    """Say why a job failed: what it said itself, or else how it ended."""
    said = next((line for line in reversed(lines) if line.startswith("error: ")), None)
    if code < 0:
        how = f"ended by {signal.Signals(-code).name}"
    else:
        how = f"exit code {code}" + (f": {lines[-1]}" if lines else "")
    reason = said.removeprefix("error: ") if said else how
    return reason if len(reason) <= _REASON_LENGTH else f"{reason[: _REASON_LENGTH - 3]}..."
