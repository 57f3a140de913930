"""Runs of a second: stores of a few small sequences, networks of a few channels, phases of a few steps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from datagen import render_store
from schemas.run import RunConfig
from tests.reference.specs import spec_of
from trainer.training.checkpoint import LAST, Checkpoint, load
from trainer.training.folder import CHECKPOINTS
from trainer.training.phases import Phase, phases_of

SIDE, FRAMES, SEQUENCES = 16, 4, 20
PROPERTIES = ("translation", "rotation", "intensity")
STEPS, BATCH = 4, 4
CPU = torch.device("cpu")


def render_stores(folder: Path) -> dict[str, str]:
    """Render a store of each property, and one of all of them, `real`, with splits."""
    size = {"frames": FRAMES, "height": SIDE, "width": SIDE}
    specs = {kind: spec_of(kind, **size, truth=("clean", "mask")) for kind in PROPERTIES}
    specs["real"] = spec_of("mixed", **size, splits={"train": 12, "validation": 4, "test": 4})
    paths = {name: folder / f"{name}.zarr" for name in specs}
    for name, spec in specs.items():
        render_store(spec, SEQUENCES, paths[name], workers=1)
    return {name: str(path) for name, path in paths.items()}


def tiny_fields(stores: Mapping[str, str], kind: str = "stmoe-id", **changes: Any) -> dict[str, Any]:
    """Return the fields of a run of all phases, with some changed: `schedule={"gates": {"steps": 9}}`."""
    budget = {"steps": STEPS, "batch": BATCH, "validate_every": 2}
    fields = {
        "data": {
            "synthetic": {name: stores[name] for name in PROPERTIES},
            "real": stores["real"],
            "input_frames": 2,
            "horizon": 2,
        },
        "model": {
            "kind": kind,
            "features": 2,
            "mim": {"hidden": 4},
            "addl": {"width": 4, "stages": 2},
            "kinematic": {"channels": [4, 4, 6]},
            "gating": {"channels": 4, "dilations": [1], "reduction": 1, "head": 2},
        },
        "schedule": dict.fromkeys(("decoder", "mim", "addl", "kinematic", "gates", "joint"), budget),
        "execution": {"precision": "fp32", "log_every": 1, "save_every": 2},
    }
    return merged(fields, changes)


def tiny_config(stores: Mapping[str, str], kind: str = "stmoe-id", **changes: Any) -> RunConfig:
    """Return a run of all phases, with some fields changed."""
    return RunConfig.parse(tiny_fields(stores, kind, **changes))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Put one mapping over another, field by field."""
    both = {name: merged(below[name], above[name]) for name in below.keys() & above.keys() if is_section(above[name])}
    return {**below, **above, **both}


def is_section(value: Any) -> bool:
    """Return whether a value has fields that replace others one by one; those of `synthetic` do so all together."""
    return isinstance(value, Mapping) and all(name not in value for name in PROPERTIES)


def phase_of(config: RunConfig, name: str) -> Phase:
    """Return a phase of a run by name."""
    return next(phase for phase in phases_of(config) if phase.name == name)


def saved(run: Path, phase: str, name: str = LAST) -> Checkpoint:
    """Return a checkpoint of a run."""
    return load(run / CHECKPOINTS / phase / name, CPU)


def parameters(run: Path, phase: str, name: str = LAST) -> dict[str, Tensor]:
    """Return the parameters and buffers of a checkpoint of a run."""
    return dict(saved(run, phase, name).network)


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    """Return a copy of all parameters and buffers, those that no checkpoint holds too."""
    tensors = (*module.named_parameters(), *module.named_buffers())
    return {name: tensor.detach().to(CPU, copy=True) for name, tensor in tensors}


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[str]:
    """Return the names under which any bit differs."""
    assert before.keys() == after.keys()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
