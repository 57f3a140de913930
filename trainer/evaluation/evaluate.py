"""A trained network on a split of a store: every score beside those of rules, and what of the truth it knows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from schemas.errors import InputError
from schemas.real_store import VALID
from schemas.run import RunConfig
from schemas.store import PROPERTY_BITS
from trainer.data.batches import Batch
from trainer.data.reader import Source
from trainer.data.splits import Split, select
from trainer.data.stores import SequenceStore, open_store
from trainer.data.stream import ordered
from trainer.evaluation import extrapolation
from trainer.evaluation.attribution import Attribution
from trainer.evaluation.motion import ARRAYS, MotionErrors
from trainer.evaluation.scores import Scores
from trainer.evaluation.units import Units, units_of
from trainer.models.stmoe import STMoE
from trainer.training.checkpoint import Checkpoint
from trainer.training.distributed import device_of
from trainer.training.folder import load_forecaster
from trainer.training.networks import check_frames
from trainer.training.objectives import as_fractions

FILE = "evaluation.json"
BATCH = 16
BOOTSTRAP_SEED = 0
MODEL, PERSISTENCE, EXTRAPOLATION = "model", "persistence", "extrapolation"
"""Names of what is scored."""


def evaluate_run(*paths: Path, store: str | None = None, split: Split = "test", device: str = "auto") -> dict[str, Any]:
    """
    Forecast every sequence of a split and score the forecasts; those of several networks are averaged.

    Parameters
    ----------
    paths : folders of runs, or checkpoints
    store : path or URL; None for the real store that the first run learnt from
    split : of the store
    device : auto, cpu or cuda

    Returns
    -------
    ready for JSON: what was evaluated on what; `metrics` defines every score; `scores` has them by model (the run's,
    persistence and, for rain where pysteps is installed, its extrapolation) with 95 % intervals over sequences;
    `difference` is the model's less persistence's, in pairs; `attribution` is per property, and `motion` per kinematic
    expert, of a single network and where the store knows them

    Raises
    ------
    InputError
        there is no network, no store, no such split, or they do not fit each other.
    """
    place = device_of(device)
    loaded = [load_forecaster(path, place) for path in paths]
    checkpoint = _alike(paths, [checkpoint for _, checkpoint in loaded])
    sequences = open_store(_store_of(checkpoint, store))
    check_frames(checkpoint.config, sequences.height, sequences.width)
    source = Source(sequences, select(sequences, split))
    examined = Examined([network for network, _ in loaded], checkpoint.config, sequences)
    for batch in _batches(source, examined, checkpoint, place):
        examined.update(as_fractions(batch.frames), batch.arrays)
    parameters = (parameter.numel() for network, _ in loaded for parameter in network.parameters())
    return {
        "run": ", ".join(map(str, paths)),
        "phase": checkpoint.phase,
        "step": checkpoint.progress.step,
        "store": sequences.path,
        "digest": sequences.attributes["digest"],
        "split": split,
        "input_frames": checkpoint.config.data.input_frames,
        "horizon": checkpoint.config.data.horizon,
        "parameters": sum(parameters),
        **examined.summary(),
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


class Examined:
    """
    All that is measured on the way through a split.

    Parameters
    ----------
    networks : whose forecasts are averaged, in eval mode
    config : of the first
    store : of the sequences
    """

    def __init__(self, networks: Sequence[STMoE], config: RunConfig, store: SequenceStore) -> None:
        self._networks, self._data = networks, config.data
        self._units = units_of(store.scaling)
        self._masked = store.masked
        follow = self._units.scaling is not None and extrapolation.available()
        names = (MODEL, PERSISTENCE, *((EXTRAPOLATION,) if follow else ()))
        self._scores = {name: _scores(self._units) for name in names}
        self._sequences = 0
        self._attribution: Attribution | None = None
        self._motion: MotionErrors | None = None
        if len(networks) == 1:
            (network,) = networks
            if "property_mask" in store and len(network.experts) > 1:
                self._attribution = Attribution(tuple(network.experts), PROPERTY_BITS, config.data.horizon)
            if MotionErrors.known(network, store):
                self._motion = MotionErrors(network, config.data.input_frames)

    @property
    def arrays(self) -> tuple[str, ...]:
        """What is needed of the store, beside the frames."""
        masked = (VALID,) if self._masked else ()
        return (*(("property_mask",) if self._attribution else ()), *(ARRAYS if self._motion else ()), *masked)

    @torch.inference_mode()
    def update(self, frames: Tensor, truth: Mapping[str, Tensor]) -> None:
        """
        Forecast a batch, (batch, time, channel, y, x) in [0, 1], and score it.

        Parameters
        ----------
        truth : `arrays`, as stored
        """
        self._sequences += len(frames)
        inputs, horizon = self._data.input_frames, self._data.horizon
        seen = frames[:, :inputs]
        forecasts = [network(seen, horizon) for network in self._networks]
        self._score(torch.stack([forecast.frames for forecast in forecasts]).mean(0), frames, truth.get(VALID))
        if self._attribution:
            self._attribution.update(forecasts[0].log_weights, truth["property_mask"][:, inputs:])
        if self._motion:
            self._motion.update(seen, truth)

    def _score(self, forecast: Tensor, frames: Tensor, valid: Tensor | None) -> None:
        """Score a forecast, and what simple rules make of the same inputs."""
        inputs, horizon = self._data.input_frames, self._data.horizon
        fractions = self._units.fractions(frames)
        seen, target = fractions[:, :inputs], fractions[:, inputs:]
        known = None if valid is None else valid[:, inputs:, None].bool()
        forecasts = {MODEL: self._units.fractions(forecast), PERSISTENCE: seen[:, -1:].expand_as(target)}
        if EXTRAPOLATION in self._scores:
            rain = extrapolation.extrapolated(seen * self._units.scale, horizon)
            forecasts[EXTRAPOLATION] = rain / self._units.scale
        for name, scores in self._scores.items():
            scores.update(forecasts[name], target, known)

    def summary(self) -> dict[str, Any]:
        """Return the part of an evaluation that was measured."""
        model, persistence = self._scores[MODEL], self._scores[PERSISTENCE]
        return {
            "sequences": self._sequences,
            "unit": self._units.unit,
            "metrics": {name: metric._asdict() for name, metric in model.metrics.items()},
            "scores": {name: scores.summary(BOOTSTRAP_SEED) for name, scores in self._scores.items()},
            "difference": {name: model.paired(persistence, name, BOOTSTRAP_SEED) for name in model.metrics},
            "attribution": self._attribution.summary() if self._attribution else None,
            "motion": self._motion.summary() if self._motion else None,
        }


def _scores(units: Units) -> Scores:
    return Scores(unit=units.unit, scale=units.scale, limit=units.limit, thresholds=units.thresholds)


def _alike(paths: Sequence[Path], checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Return the first of some checkpoints, if all forecast as many frames from as many."""
    first = checkpoints[0]
    for path, checkpoint in zip(paths, checkpoints, strict=True):
        theirs, ours = ((c.config.data.input_frames, c.config.data.horizon) for c in (checkpoint, first))
        if theirs != ours:
            raise InputError(
                f"{path} forecasts {theirs[1]} frames from {theirs[0]}, {paths[0]} {ours[1]} from {ours[0]}; "
                "give runs that do the same"
            )
    return first


def _store_of(checkpoint: Checkpoint, asked: str | None) -> str:
    store = asked or checkpoint.config.data.real
    if store is None:
        raise InputError("the run learnt from no real store; give --real STORE")
    return store


def _batches(source: Source, examined: Examined, checkpoint: Checkpoint, device: torch.device) -> Iterator[Batch]:
    data = checkpoint.config.data
    frames = data.input_frames + data.horizon
    return ordered(
        [source], frames=frames, batch=BATCH, arrays=examined.arrays, on_damage=data.on_damage, device=device
    )
