"""Checkpoints: plain tensors and numbers, written aside and renamed, refused where they do not fit."""

import errno
import os
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.errors import InputError, NewerSchemaError
from schemas.run import RUN_VERSION, RunConfig

LAST, BEST = "last.pt", "best.pt"
_PARTIAL = ".partial"


@dataclass(kw_only=True)
class Progress:
    """How far a phase is; together with its seed it decides all that follows."""

    step: int = 0
    epoch: int = 0
    """Of the stream, whose next batch is `batch`."""
    batch: int = 0
    best: float | None = None
    """Lowest validation error so far."""
    best_step: int = 0
    stale: int = 0
    """Validations since then."""
    validated: int = 0
    """Step of the last validation."""
    seconds: float = 0.0
    """Spent, over all sittings."""
    cpu_seconds: float = 0.0
    finished: bool = False


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a phase saved."""

    config: RunConfig
    phase: str
    progress: Progress
    network: Mapping[str, Tensor]
    """Parameters and buffers by name."""
    optimiser: Mapping[str, Any] = field(default_factory=dict)
    """Its state; empty in the best checkpoint, which is not resumed."""


def save(path: Path, checkpoint: Checkpoint) -> None:
    """
    Write a checkpoint so that a kill or a full disk leaves the previous one whole.

    Raises
    ------
    InputError
        it cannot be written.
    """
    content = {
        "version": RUN_VERSION,
        "config": checkpoint.config.canonical_json(),
        "phase": checkpoint.phase,
        "progress": asdict(checkpoint.progress),
        "network": dict(checkpoint.network),
        "optimiser": dict(checkpoint.optimiser),
    }
    aside = path.with_name(path.name + _PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except (OSError, RuntimeError) as error:
        cause = _cause(error)
        if cause is None:
            raise
        full = cause.errno in (errno.ENOSPC, errno.EDQUOT)
        kept = "the previous checkpoint is kept; " if path.exists() else ""
        advice = "free some space and run the same command again" if full else "give a path that you may write"
        raise InputError(f"{path} cannot be written: {_said(cause)}; {kept}{advice}") from error
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def load(path: Path, device: torch.device) -> Checkpoint:
    """
    Read a checkpoint.

    Raises
    ------
    NewerSchemaError
        another version wrote it.
    InputError
        it is absent, damaged, or none.
    """
    try:
        content = _content(path, device)
        version = content["version"]
        if version == RUN_VERSION:
            return Checkpoint(
                config=RunConfig.model_validate_json(content["config"]),
                phase=content["phase"],
                progress=Progress(**content["progress"]),
                network=content["network"],
                optimiser=content["optimiser"],
            )
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give a checkpoint or the folder of a run of `trainer fit`") from None
    except Exception as error:  # pickle, zip and torch have many
        raise InputError(f"{path} is no checkpoint or damaged: {_said(error)}; give one of `trainer fit`") from error
    raise NewerSchemaError(f"{path} has version {version}, this installation reads {RUN_VERSION}; use that one")


def load_own(path: Path, config: RunConfig, phase: str, device: torch.device) -> Checkpoint:
    """
    Read a checkpoint of a phase of a run.

    Raises
    ------
    InputError
        as `load`, or another run or phase wrote it.
    """
    checkpoint = load(path, device)
    if (checkpoint.config, checkpoint.phase) != (config, phase):
        raise InputError(
            f"{path} is of phase {checkpoint.phase} of another model or run; put back the one of {phase} or remove it"
        )
    return checkpoint


def _content(path: Path, device: torch.device) -> Mapping[str, Any]:
    with zipfile.ZipFile(path) as archive:  # torch reads over bytes that have changed, their checksums are in the file
        damaged = archive.testzip()
    if damaged:
        raise ValueError(f"{damaged} fails its checksum")
    content: Mapping[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return content


def _cause(error: BaseException) -> OSError | None:
    """Return what the system said: torch's writer hides a short write behind a RuntimeError of its own."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__context__
    return cause


def _said(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:160].rstrip(".").lower()
