"""A trained network on a split of a store: every score beside that of persistence, and what the gates attribute."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.errors import InputError
from schemas.store import PROPERTY_BITS
from trainer.data.reader import Source
from trainer.data.splits import Split, select
from trainer.data.stores import open_store
from trainer.data.stream import ordered
from trainer.evaluation.attribution import Attribution
from trainer.evaluation.scores import Scores
from trainer.models.stmoe import STMoE
from trainer.training.checkpoint import Checkpoint
from trainer.training.distributed import device_of
from trainer.training.folder import load_forecaster
from trainer.training.networks import check_frames
from trainer.training.objectives import as_fractions

FILE = "evaluation.json"
BATCH = 16
BOOTSTRAP_SEED = 0
THRESHOLDS = (64.0, 128.0, 192.0)
"""Grey levels for CSI, POD and FAR."""
SHOWN = ("mse_sum", "mse_mean", "mae", "psnr", "ssim", "csi_128")
"""Scores in the table for a terminal; the file has all."""


def evaluate_run(
    path: Path, *, store: str | None = None, split: Split = "test", device: str = "auto"
) -> dict[str, Any]:
    """
    Forecast every sequence of a split and score the forecasts.

    Parameters
    ----------
    path : folder of a run, or a checkpoint
    store : path or URL; None for the real store that the run learnt from
    split : of the store
    device : auto, cpu or cuda

    Returns
    -------
    ready for JSON: what was evaluated on what; `metrics` defines every score; `scores` has them by model (the run's and
    persistence) with 95 % intervals over sequences; `difference` is the model's less persistence's, in pairs;
    `attribution` is per property, where the store knows them

    Raises
    ------
    InputError
        there is no network, no store, no such split, or they do not fit each other.
    """
    place = device_of(device)
    network, checkpoint = load_forecaster(path, place)
    sequences = open_store(_store_of(checkpoint, store))
    check_frames(checkpoint.config, sequences.height, sequences.width)
    source = Source(sequences, select(sequences, split))
    model, persistence = _scores(), _scores()
    attribution = _attribution(network, checkpoint, source)
    for frames, mask in _batches(source, checkpoint, place, masked=attribution is not None):
        _score(network, checkpoint, frames, mask, model, persistence, attribution)
    return {
        "run": str(path),
        "phase": checkpoint.phase,
        "step": checkpoint.progress.best_step,
        "store": sequences.path,
        "digest": sequences.attributes["digest"],
        "split": split,
        "sequences": len(source.selection),
        "input_frames": checkpoint.config.data.input_frames,
        "horizon": checkpoint.config.data.horizon,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "metrics": {name: metric._asdict() for name, metric in model.metrics.items()},
        "scores": {"model": model.summary(BOOTSTRAP_SEED), "persistence": persistence.summary(BOOTSTRAP_SEED)},
        "difference": {name: model.paired(persistence, name, BOOTSTRAP_SEED) for name in model.metrics},
        "attribution": None if attribution is None else attribution.summary(),
    }


def write_evaluation(evaluation: dict[str, Any], path: Path, out: str | None) -> Path:
    """
    Write the scores as JSON and return where: `out`, or the folder of the run that was evaluated.

    Raises
    ------
    InputError
        it cannot be written.
    """
    folder = path if path.is_dir() else path.parent
    file = Path(out) if out else folder / FILE
    aside = file.with_name(f"{file.name}.partial")
    try:
        aside.write_text(json.dumps(evaluation, indent=2) + "\n", encoding="utf-8")
        aside.replace(file)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written: {(error.strerror or str(error)).lower()}; give --out FILE"
        ) from error
    return file


def as_table(evaluation: dict[str, Any], shown: Sequence[str] = SHOWN) -> str:
    """Return the most used scores as a table for a terminal: overall with their intervals, then per lead time."""
    lead_times = "".join(f"{f't+{lead + 1}':>9}" for lead in range(evaluation["horizon"]))
    lines = [
        "{run} ({phase}) on {sequences} sequences of the {split} split of {store}".format_map(evaluation),
        "",
        f"{'':26}{'all':>9}{'95 % interval':>20}{lead_times}",
    ]
    scores = evaluation["scores"]
    lines += [_row(f"{name}  {model}", scores[model][name]) for name in shown for model in scores]
    lines += ["", *(f"{name}: {evaluation['metrics'][name]['definition']}" for name in shown)]
    if evaluation["attribution"]:
        lines += ["", "gates: share of the pixels of one property whose largest weight is its expert's"]
        lines += [_attribution_row(name, entry) for name, entry in evaluation["attribution"].items()]
    return "\n".join(lines)


def _row(name: str, entry: dict[str, Any]) -> str:
    low, high = entry["interval"] or (None, None)
    per_lead_time = "".join(f"{_number(value):>9}" for value in entry["per_lead_time"])
    return f"{name:26}{_number(entry['mean']):>9}{f'{_number(low)} - {_number(high)}':>20}{per_lead_time}"


def _attribution_row(name: str, entry: dict[str, Any]) -> str:
    per_lead_time = "".join(f"{_percent(value):>9}" for value in entry["per_lead_time"])
    return f"{name:26}{_percent(entry['share']):>9}{'':20}{per_lead_time}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _scores() -> Scores:
    return Scores(thresholds=THRESHOLDS)


def _store_of(checkpoint: Checkpoint, asked: str | None) -> str:
    store = asked or checkpoint.config.data.real
    if store is None:
        raise InputError("the run learnt from no real store; give --real STORE")
    return store


def _attribution(network: STMoE, checkpoint: Checkpoint, source: Source) -> Attribution | None:
    """Return a count of attributions where the store knows the properties and the network has several experts."""
    if "property_mask" not in source.store or len(network.experts) == 1:
        return None
    return Attribution(tuple(network.experts), PROPERTY_BITS, checkpoint.config.data.horizon)


def _batches(
    source: Source, checkpoint: Checkpoint, device: torch.device, *, masked: bool
) -> Iterator[tuple[Tensor, Tensor | None]]:
    data = checkpoint.config.data
    arrays = ("property_mask",) if masked else ()
    for batch in ordered([source], frames=data.input_frames + data.horizon, batch=BATCH, arrays=arrays, device=device):
        yield as_fractions(batch.frames), batch["property_mask"] if masked else None


@torch.inference_mode()
def _score(
    network: STMoE,
    checkpoint: Checkpoint,
    frames: Tensor,
    mask: Tensor | None,
    model: Scores,
    persistence: Scores,
    attribution: Attribution | None,
) -> None:
    inputs, horizon = checkpoint.config.data.input_frames, checkpoint.config.data.horizon
    target = frames[:, inputs:]
    forecast = network(frames[:, :inputs], horizon)
    model.update(forecast.frames, target)
    persistence.update(frames[:, inputs - 1 : inputs].expand_as(target), target)
    if attribution is not None and mask is not None:
        attribution.update(forecast.log_weights, mask[:, inputs:])
