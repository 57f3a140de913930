"""A run's folder to a page about it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.real_store import VALID
from schemas.run import RunConfig
from trainer.data.splits import Selection, Split, select
from trainer.data.stores import FRAMES, SequenceStore, open_store
from trainer.evaluation import evaluate
from trainer.evaluation.arrows import Array, motions_of
from trainer.evaluation.forecasting import forecast, stored_fractions
from trainer.evaluation.motion import ARRAYS, PLACES, true_motion
from trainer.evaluation.output import written_aside
from trainer.evaluation.page import page_of
from trainer.evaluation.report_data import Example, ReportData, Training
from trainer.evaluation.units import units_of
from trainer.models.stmoe import STMoE
from trainer.training.checkpoint import LAST, Checkpoint, Progress, load
from trainer.training.distributed import device_of
from trainer.training.folder import CHECKPOINTS, load_forecaster, read_config
from trainer.training.phases import phases_of
from trainer.training.provenance import read_provenance
from trainer.training.recording import read_log

FILE = "report.html"
SPLIT: Split = "test"
EXAMPLES = 4
"""Sequences shown, spread evenly over the split."""


def write_report(run: Path, *, store: str | None = None, out: Path | None = None, device: str = "auto") -> Path:
    """
    Write a page about a run; one that is there is replaced.

    Parameters
    ----------
    run : folder of a run
    store : path or URL of the store to forecast; None for the real store that the run learnt from
    out : where to; None for report.html in the run's folder
    device : auto, cpu or cuda

    Returns
    -------
    where the page is

    Raises
    ------
    InputError
        the folder is none of a run or has no network that forecasts, the store does not fit, or the world refuses.
    """
    path = out or run / FILE
    page = page_of(gather(run, store=store, device=device))
    with written_aside(path, overwrite=True) as aside:
        aside.write_text(page, encoding="utf-8")
    return path


def gather(run: Path, *, store: str | None = None, device: str = "auto") -> ReportData:
    """
    Return what there is to say about a run.

    Scores are those of evaluation.json where it is of this network and store; otherwise the test split is evaluated.

    Parameters
    ----------
    run, store, device : as for `write_report`

    Raises
    ------
    InputError
        as `write_report`
    """
    config, place = read_config(run), device_of(device)
    network, checkpoint = load_forecaster(run, place)
    asked = store or config.data.real
    if asked is None:
        raise InputError(f"{run} learnt from no real store; give --real STORE")
    sequences = open_store(asked)
    evaluation = _evaluation(run, checkpoint, sequences, device, keep=store is None)
    return ReportData(
        title=f"{config.model.kind} on {Path(sequences.path).name}",
        evaluation=evaluation,
        examples=_examples(network, config, sequences, place),
        experts=tuple(network.experts),
        training=_training(run, config, place),
        log=read_log(run),
        parameters=_parameters(network),
        config=yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False),
        seed=config.seed,
        provenance=read_provenance(run),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def spread(selection: Selection, count: int) -> list[int]:
    """
    Return some sequences of a selection, evenly spread and ascending; all where there are fewer.

    Parameters
    ----------
    selection : not empty
    count : how many, >= 1
    """
    chosen = min(count, len(selection))
    places = np.arange(chosen) * len(selection) // chosen
    ends = np.cumsum(selection.stops - selection.starts)
    runs = np.searchsorted(ends, places, "right")
    before = ends[runs] - (selection.stops - selection.starts)[runs]
    found: list[int] = (selection.starts[runs] + places - before).tolist()
    return found


def _evaluation(
    run: Path, checkpoint: Checkpoint, sequences: SequenceStore, device: str, *, keep: bool
) -> dict[str, Any]:
    """Return the scores that are there, or evaluate, and keep the outcome beside the run."""
    wanted = {
        "phase": checkpoint.phase,
        "step": checkpoint.progress.step,
        "store": sequences.path,
        "digest": sequences.attributes["digest"],
        "split": SPLIT,
    }
    try:
        found: dict[str, Any] = json.loads((run / evaluate.FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = {}
    if all(found.get(name) == value for name, value in wanted.items()):
        return found
    made = evaluate.evaluate_run(run, store=sequences.path, split=SPLIT, device=device)
    if keep:
        evaluate.write_evaluation(made, run, None)
    return made


def _examples(network: STMoE, config: RunConfig, sequences: SequenceStore, device: torch.device) -> list[Example]:
    numbers = spread(select(sequences, SPLIT), EXAMPLES)
    inputs, horizon = config.data.input_frames, config.data.horizon
    units = units_of(sequences.scaling)
    frames = np.concatenate([stored_fractions(sequences[FRAMES].rows(number, number + 1)) for number in numbers])
    made = forecast(network, frames[:, :inputs], horizon, device)
    known = np.concatenate([_known(sequences, number) for number in numbers])
    shown = np.where(known, units.fractions(frames), np.nan)
    return [
        Example(
            number=number,
            inputs=shown[place, :inputs],
            truth=shown[place, inputs : inputs + horizon],
            frames=units.fractions(made.frames[place]),
            gates=made.gates[place],
            parts=units.fractions(made.parts[place]),
            motions=motions_of(network, frames[place, :inputs], device),
            true_motion=_true_motion(sequences, number, inputs - 1),
        )
        for place, number in enumerate(numbers)
    ]


def _known(sequences: SequenceStore, number: int) -> NDArray[np.bool_]:
    """Return where a sequence has data, (1, time, y, x) or (1, 1, 1, 1)."""
    if not sequences.masked:
        return np.ones((1, 1, 1, 1), np.bool_)
    known: NDArray[np.bool_] = sequences[VALID].rows(number, number + 1) > 0
    return known


def _true_motion(sequences: SequenceStore, number: int, time: int) -> Array | None:
    names = (*ARRAYS, *PLACES)
    if not all(name in sequences for name in names):
        return None
    truth = {name: torch.from_numpy(sequences[name].rows(number, number + 1)) for name in names}
    found: Array = true_motion(truth, time)[0].numpy()
    return found


def _training(run: Path, config: RunConfig, device: torch.device) -> dict[str, Training]:
    """Return what each phase took that was begun."""
    files = {phase.name: run / CHECKPOINTS / phase.name / LAST for phase in phases_of(config)}
    return {name: _taken(load(file, device).progress) for name, file in files.items() if file.exists()}


def _taken(progress: Progress) -> Training:
    return Training(
        steps=progress.step,
        best_step=progress.best_step,
        best=progress.best,
        seconds=progress.seconds,
        cpu_seconds=progress.cpu_seconds,
        finished=progress.finished,
    )


def _parameters(network: STMoE) -> dict[str, int]:
    parts = {f"expert {name}": expert for name, expert in network.experts.items()}
    named = {**parts, "gates": network.gate, "decoder": network.decoder}
    return {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in named.items()}
