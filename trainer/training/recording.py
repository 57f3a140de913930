"""What a run leaves to look at: a line of JSON for each record, and the same in TensorBoard."""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

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
    """

    def __init__(self, run: Path, phase: str, step: int) -> None:
        self._phase = phase
        whole = _ends_a_line(run / LOG)
        self._log = (run / LOG).open("a", encoding="utf-8", buffering=1)
        if not whole:
            self._log.write("\n")
        self._board = SummaryWriter(str(run / BOARD / phase), purge_step=step + 1)

    def record(self, step: int, **values: float) -> None:
        """Write numbers of a step, by name; what is not finite is null in the log."""
        line: dict[str, Any] = {"time": _now(), "phase": self._phase, "step": step}
        line |= {name: value if math.isfinite(value) else None for name, value in values.items()}
        self._log.write(json.dumps(line) + "\n")
        for name, value in values.items():
            self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush and close."""
        self._log.close()
        self._board.close()


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


def _ends_a_line(log: Path) -> bool:
    """Return whether a log is new or whole; what a full disk cut has no end, and would swallow the next line."""
    try:
        return log.read_bytes()[-1:] in (b"", b"\n")
    except FileNotFoundError:
        return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
