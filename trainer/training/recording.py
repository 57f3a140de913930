"""What a run leaves to look at: a line of JSON for each record, the same in TensorBoard and, if asked, in MLflow."""

import json
import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import scalar

from schemas.errors import InputError
from trainer.training import mlflow_log
from trainer.training.mlflow_log import MlflowLog

LOG = "log.jsonl"
BOARD = "tensorboard"


class Recorder:
    """
    Append records of one phase to the run's log and to TensorBoard.

    Several processes may write one log: each record is one short write to a file opened for appending.

    Parameters
    ----------
    run : folder of the run
    phase : name of the phase
    step : where the phase goes on; what TensorBoard has of later steps is not shown

    Raises
    ------
    InputError
        a file cannot be written, e.g. as the disk is full; so do `record` and `close`. A server of MLflow is named and
        its package is not installed.
    """

    def __init__(self, run: Path, phase: str, step: int) -> None:
        self._phase = phase
        self._path = run / LOG
        self._server = MlflowLog(run, phase) if mlflow_log.wanted() else None
        self._board = _Board(run / BOARD / phase, step)
        with _writing(self._path):
            whole = _ends_a_line(self._path)
            self._log = self._path.open("a", encoding="utf-8", buffering=1)
            if not whole:
                self._log.write("\n")

    def record(self, step: int, **values: float) -> None:
        """Write numbers of a step, by name; what is not finite is null in the log."""
        line: dict[str, Any] = {"time": _now(), "phase": self._phase, "step": step}
        line |= {name: value if math.isfinite(value) else None for name, value in values.items()}
        with _writing(self._path):
            self._log.write(json.dumps(line) + "\n")
        self._board.record(step, values)
        if self._server:
            self._server.record(step, values)

    def close(self) -> None:
        """Close, though the disk be full."""
        with closing(self._board), closing(self._server) if self._server else nullcontext(), _writing(self._path):
            self._log.close()


def read_log(run: Path) -> list[dict[str, Any]]:
    """
    Return the records of a run in the order written.

    A line that was cut is left out; of a step that was done again after a kill, the last record is returned.
    """
    records: dict[tuple[str, int, bool], dict[str, Any]] = {}
    try:
        lines = (run / LOG).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        records[record["phase"], record["step"], "validation" in record] = record
    return list(records.values())


class _Board:
    """
    A TensorBoard file of one sitting.

    torch's own writer has a thread for it, whose traceback is all that is heard of a full disk.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._path = folder / f"events.out.tfevents.{time.time():017.6f}.{socket.gethostname()}.{os.getpid()}"
        with _writing(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb")
            self._writer = RecordWriter(self._file)
            self._write(file_version="brain.Event:2")
            self._write(step=step + 1, session_log=SessionLog(status=SessionLog.START))
            self._file.flush()

    def record(self, step: int, values: dict[str, float]) -> None:
        with _writing(self._path):
            for name, value in values.items():
                self._write(step=step, summary=scalar(name, value))  # type: ignore[no-untyped-call]
            self._file.flush()

    def close(self) -> None:
        with _writing(self._path):
            self._file.close()

    def _write(self, **fields: Any) -> None:
        self._writer.write(Event(wall_time=time.time(), **fields).SerializeToString())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Say in one line why a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}; the last checkpoint is kept, mend "
            "that and run the same command again"
        ) from error


def _ends_a_line(log: Path) -> bool:
    """Return whether a log is new or whole; what a full disk cut has no end, and would swallow the next line."""
    try:
        return log.read_bytes()[-1:] in (b"", b"\n")
    except FileNotFoundError:
        return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
