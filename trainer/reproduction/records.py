"""What is kept of every job in a folder of results: whether it is done, of which plan, and what it took."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

JOBS = "jobs"


@dataclass(frozen=True, kw_only=True)
class Record:
    """Of the last start of a job."""

    command: str
    """As for a shell."""
    digest: str
    """What tells it from other jobs of its name."""
    return_code: int | None = None
    """None while it runs, where it was stopped, and where the engine was killed."""
    wall_seconds: float = 0.0
    """Over all starts that ended under the engine's eyes, as are the next."""
    cpu_seconds: float = 0.0


def record_file(folder: Path, job: str) -> Path:
    """Return where the record of a job lies."""
    return folder / JOBS / f"{job}.json"


def read_record(folder: Path, job: str) -> Record | None:
    """Return the record of a job; None where it never started, or nobody can read it."""
    try:
        return Record(**json.loads(record_file(folder, job).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_record(folder: Path, job: str, record: Record) -> None:
    """Write the record of a job so that a kill leaves the previous one whole; raises OSError."""
    write_text(record_file(folder, job), json.dumps(asdict(record), indent=2) + "\n")


def is_done(record: Record | None, digest: str) -> bool:
    """Return whether a job of this digest need not run again."""
    return record is not None and record.return_code == 0 and record.digest == digest


def write_text(path: Path, text: str) -> None:
    """Write a file as `write_bytes` does."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file aside and rename it, with the folders that it needs; raises OSError."""
    aside = path.with_name(f"{path.name}.partial")
    aside.parent.mkdir(parents=True, exist_ok=True)
    with aside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
