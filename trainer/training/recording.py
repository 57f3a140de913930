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
    """

    def __init__(self, run: Path, phase: str) -> None:
        self._phase = phase
        self._log = (run / LOG).open("a", encoding="utf-8", buffering=1)
        self._board = SummaryWriter(str(run / BOARD / phase))

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
    """Return the records of a run in the order written; a line that a kill cut is left out."""
    records = []
    try:
        lines = (run / LOG).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return records


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
