"""A run: its folder, and its phases one after the other; what is finished is skipped, what was cut off goes on."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import cast

import torch
import yaml
from torch import Tensor

from schemas.errors import InputError
from schemas.run import ALL, RunConfig
from trainer.data.stores import warn_of_properties
from trainer.locks import lock
from trainer.models.decoder import ConvolutionDecoder
from trainer.models.mim import MIM
from trainer.training.checkpoint import LAST, Progress, load_own
from trainer.training.distributed import Place, placed
from trainer.training.feeding import Feed
from trainer.training.folder import CHECKPOINTS, CONFIG, best_of, read_config
from trainer.training.loop import Loop, Report
from trainer.training.networks import check_frames, load_parameters, network_of, start_from
from trainer.training.phases import DECODER, Phase, Stage, chosen, named, phases_of
from trainer.training.precision import precision_of
from trainer.training.provenance import write_provenance
from trainer.training.recording import Recorder

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FitReport:
    """What a call of `fit` left."""

    run: Path
    phases: dict[str, Progress]
    """Of the phases asked for that were begun, by name."""
    stopped: signal.Signals | None
    """The signal that ended it before the last phase was finished."""


def fit(
    config: RunConfig,
    run: Path,
    *,
    stage: Stage | None = None,
    expert: str | None = None,
    device: str = "auto",
    show: Callable[[Report], None] = lambda _report: None,
) -> FitReport:
    """
    Train all phases of a run, or some; the same call again goes on where the last one was stopped.

    SIGTERM saves and returns; so does SIGINT. Phases of one run may be trained in several processes at once, each its
    own.

    Parameters
    ----------
    config : of the run
    run : its folder, made where it is missing
    stage : train only the phases of this stage
    expert : train only this expert
    device : auto, cpu or cuda
    show : is told of every step in the first process

    Raises
    ------
    InputError
        the folder holds another run, a phase before is not finished, data do not fit, or the world refuses.
    """
    phases = chosen(phases_of(config), stage, expert)
    with placed(device) as place, _stopping() as stopped:
        if not (run / CONFIG).exists():
            ours = {phase.name for phase in phases}
            for phase in phases:
                _require_fit(config, phase, place)
                for earlier in (name for name in phase.after if name not in ours):
                    _best_parameters(config, run, phase, earlier, place)
        if place.first:
            _claim(run, config, place)
        place.barrier()
        done: dict[str, Progress] = {}
        for phase in phases:
            done[phase.name] = _fit_phase(config, run, phase, place, stopped, show)
            if not done[phase.name].finished:
                break
        whole = all(phase.name in done and done[phase.name].finished for phase in phases)
        return FitReport(run, done, None if whole else stopped() or signal.SIGTERM)  # it may have gone to another rank


def _require_fit(config: RunConfig, phase: Phase, place: Place) -> None:
    """Refuse data and sizes that do not fit each other: a run that cannot begin leaves no folder behind."""
    with closing(Feed(config, phase, place)) as feed:
        check_frames(config, feed.height, feed.width)
        feed.training((0, 0))
        feed.validation()
    with torch.device("meta"):
        network_of(config, phase)


def _fit_phase(
    config: RunConfig,
    run: Path,
    phase: Phase,
    place: Place,
    stopped: Callable[[], signal.Signals | None],
    show: Callable[[Report], None],
) -> Progress:
    folder = run / CHECKPOINTS / phase.name
    if (folder / LAST).exists():
        progress = load_own(folder / LAST, config, phase.name, place.device).progress
        if progress.finished:
            _log.info("%s is finished: best at step %d", phase.name, progress.best_step)
            return progress
    # Only the first process writes, so it alone takes the lock.
    with _locked(folder) if place.first else nullcontext(), closing(Feed(config, phase, place)) as feed:
        check_frames(config, feed.height, feed.width)
        if phase.data and place.first:
            warn_of_properties(feed.stores)
        network = network_of(config, phase)
        for earlier in phase.after:
            start_from(network, phase, earlier, _best_parameters(config, run, phase, earlier, place))
        loop = Loop(
            config, phase, network, feed, folder, place, lambda: bool(stopped()), show if place.first else _silent
        )
        recorder = Recorder(run, phase.name, loop.progress.step) if place.first else None
        try:
            return loop.run(recorder)
        finally:
            if recorder:
                recorder.close()


def _silent(_report: Report) -> None:
    """Show nothing."""


def _best_parameters(config: RunConfig, run: Path, phase: Phase, earlier: str, place: Place) -> Mapping[str, Tensor]:
    elsewhere = config.schedule.experts_from
    if elsewhere is not None and earlier not in {own.name for own in phases_of(config)}:
        run = Path(elsewhere)
        config = _with_same_experts(read_config(run), config, run)
    last = run / CHECKPOINTS / earlier / LAST
    if not last.exists() or not load_own(last, config, earlier, place.device).progress.finished:
        raise InputError(
            f"{phase.name} starts from {earlier}, which is not finished in {run}; "
            "run the same command without --phase and --expert, or with those of that phase"
        )
    best = best_of(run, earlier)
    network = network_of(config, named(config, earlier))
    load_parameters(network, load_own(best, config, earlier, place.device).network, best)
    if earlier == DECODER and isinstance(network.decoder, ConvolutionDecoder):
        norms = network.decoder.normalise_columns()  # models.md 3.3
        cast("MIM", network.experts[ALL]).scale_features(norms)
    return network.state_dict()


def _with_same_experts(theirs: RunConfig, ours: RunConfig, run: Path) -> RunConfig:
    """Return the configuration of the run that experts are taken from; refuse it if they are others."""
    a, b = (
        {
            "model": config.model.model_dump(exclude={"attention", "rollout", "gating", "experts"}),
            "experts": config.experts,
            "data": {"input_frames": config.data.input_frames},
            "schedule": {"warm_start": config.schedule.warm_start, "kind": config.schedule.kind},
        }
        for config in (theirs, ours)
    )
    if a != b:
        raise InputError(f"schedule.experts_from is {run}, where {_difference(a, b)}; give a run of the same experts")
    return theirs


def _claim(run: Path, config: RunConfig, place: Place) -> None:
    """Write configuration and command into a run's folder; compare the configuration with the one that is there."""
    try:
        with _locked(run, wait=True):  # experts may be started all at once
            if not (run / CONFIG).exists():
                aside = run / f"{CONFIG}.partial"
                aside.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
                aside.replace(run / CONFIG)
            theirs = read_config(run)
            if theirs != config:
                different = _difference(theirs.model_dump(mode="json"), config.model_dump(mode="json"))
                raise InputError(
                    f"{run} holds a run of another configuration ({different}); give another --out, or the "
                    "configuration it began with"
                )
            precision = precision_of(config.execution.precision, place.device)
            write_provenance(run, device=str(place.device), precision=precision)
    except OSError as error:
        raise InputError(
            f"{run} cannot be written: {(error.strerror or str(error)).lower()}; give another --out"
        ) from error


def _difference(theirs: object, ours: object) -> str:
    """Name the first field in which two configurations differ."""
    a, b = _flat(theirs), _flat(ours)
    name = next(name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name))
    return f"{name} is {a.get(name)} there and {b.get(name)} here"


def _flat(fields: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(fields, dict) or not fields:
        return {prefix: fields}
    joined = ((f"{prefix}.{name}" if prefix else name, value) for name, value in fields.items())
    return {key: leaf for name, value in joined for key, leaf in _flat(value, name).items()}


@contextmanager
def _locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder's lock, which the system gives back when the process ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        lock(file, f"{folder} is being trained by another process; wait for it or give another --out", wait=wait)
        yield


@contextmanager
def _stopping() -> Iterator[Callable[[], signal.Signals | None]]:
    """Keep SIGTERM and SIGINT, while a run is under way, until it asks; a second SIGINT interrupts at once."""
    asked: list[signal.Signals] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked.append(signal.Signals(number))

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked[0] if asked else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
