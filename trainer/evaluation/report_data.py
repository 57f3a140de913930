"""What a report says of a run, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from trainer.evaluation.arrows import Motion

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Example:
    """A sequence to show."""

    number: int
    """In its store."""
    inputs: Array
    """(time, y, x), fractions of full scale in the data's units; NaN where there are no data"""
    truth: Array
    """(time, y, x), as many as are forecast"""
    frames: Array
    """(time, y, x), forecast"""
    gates: Array
    """(time, expert, y, x) in [0, 1]"""
    parts: Array
    """(time, expert, y, x), each expert decoded alone"""
    motions: Mapping[str, Motion]
    """What kinematic experts estimate, by name."""
    true_motion: Array | None
    """(component, y, x), px/frame at the newest input frame; None where the store does not know it"""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What one phase took."""

    steps: int
    best_step: int
    best: float | None
    """Lowest validation error: squared, summed over a frame, mean over frames and sequences."""
    seconds: float
    cpu_seconds: float
    finished: bool


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """All that a page says; texts as they are, to be escaped by whoever makes the page."""

    title: str
    evaluation: Mapping[str, Any]
    """As `trainer.evaluation.evaluate.evaluate_run` returns it."""
    examples: Sequence[Example]
    """At least one."""
    experts: Sequence[str]
    training: Mapping[str, Training]
    """By phase, in their order."""
    log: Sequence[Mapping[str, Any]]
    """Records of all phases, as `trainer.training.recording.read_log` returns them."""
    parameters: Mapping[str, int]
    """Of each part of the network, by name."""
    config: str
    """YAML"""
    seed: int
    provenance: Mapping[str, Any]
    """Commands, versions and machine, as `trainer.training.provenance.read_provenance` returns them."""
    created: str
    """UTC, ISO 8601"""
