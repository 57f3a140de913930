"""The one loop that runs every phase: step, validate, save, resume; nothing in it knows which phase it is."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from schemas.errors import InputError
from schemas.real_store import VALID
from schemas.run import Budget, RunConfig
from trainer.data.batches import Batch
from trainer.data.stores import FRAMES
from trainer.models.stmoe import STMoE
from trainer.training.checkpoint import BEST, LAST, Checkpoint, Progress, load_own, save
from trainer.training.compiling import compiler_errors
from trainer.training.distributed import Place
from trainer.training.draws import Draws, draw, transformed
from trainer.training.feeding import Feed
from trainer.training.networks import load_parameters, trainable
from trainer.training.objectives import Trainee, as_fractions
from trainer.training.phases import GATE, Phase
from trainer.training.precision import autocast
from trainer.training.recording import Recorder
from trainer.training.truth import CLEAN

BETAS = (0.9, 0.999)


class NotFiniteError(InputError):
    """Report a loss or gradient that is no number; nothing of the step has reached the parameters."""


@dataclass(frozen=True)
class Report:
    """How far a phase is, for a progress bar."""

    phase: str
    step: int
    steps: int
    loss: float
    best: float | None
    """Lowest validation error so far: squared error summed over a frame, mean over frames and sequences."""


@dataclass
class Loop:
    """
    One phase under way.

    Parameters
    ----------
    config, phase : what is trained
    network : of the phase, with what it starts from
    feed : its training and validation data
    folder : of the phase's checkpoints
    place : device and rank
    stopped : asked before every step whether to save and leave
    show : is told of every step
    """

    config: RunConfig
    phase: Phase
    network: STMoE
    feed: Feed
    folder: Path
    place: Place
    stopped: Callable[[], bool]
    show: Callable[[Report], None]

    def __post_init__(self) -> None:
        """Make ready, from the last checkpoint where there is one."""
        self.network.to(self.place.device)
        self.trained = trainable(self.network, self.phase)
        trainee: nn.Module = Trainee(self.network, self.config, self.phase)
        if self.config.execution.compile:
            trainee = torch.compile(trainee)  # type: ignore[assignment]
        self.trainee = self.place.wrapped(trainee)
        self.optimiser = Adam(_groups(self.trained, self.phase.budget), betas=BETAS)
        self.progress = Progress()
        self._resume()

    def run(self, recorder: Recorder | None) -> Progress:
        """
        Train until the budget is spent, patience is over, or someone asks to stop; the same call goes on from there.

        Raises
        ------
        NotFiniteError
            a loss or gradient is no number.
        InputError
            data are damaged, a checkpoint cannot be written, or networks cannot be compiled.
        """
        try:
            with compiler_errors():
                self._train(recorder)
        except InputError:
            with suppress(InputError):  # the first one is told
                self._save(LAST)
            raise
        self._save(LAST)
        self.place.barrier()  # what follows reads in every process what the first has saved
        return self.progress

    def _train(self, recorder: Recorder | None) -> None:
        progress, execution = self.progress, self.config.execution
        started = _clocks()
        batches = self.feed.training((progress.epoch, progress.batch))
        while not self._finished(recorder) and not self.place.any(self.stopped()):
            waited = time.perf_counter()
            batch = next(batches)
            waited = time.perf_counter() - waited
            terms = self._step(batch)
            progress.step += 1
            progress.epoch, progress.batch = batch.following
            started = self._count(started)
            if recorder and progress.step % execution.log_every == 0:
                recorder.record(progress.step, **terms, seconds=progress.seconds, wait=waited)
            self.show(Report(self.phase.name, progress.step, self.phase.budget.steps, terms["loss"], progress.best))
            if progress.step % execution.save_every == 0:
                self._save(LAST)
        self._count(started)

    def _finished(self, recorder: Recorder | None) -> bool:
        """Validate where that is due, also after an interruption; return whether the phase is over."""
        progress, budget = self.progress, self.phase.budget
        last = progress.step >= budget.steps
        due = last or progress.step % budget.validate_every == 0
        if due and progress.validated < progress.step:
            self._validate(recorder)
            progress.validated = progress.step
        progress.finished = last or (budget.patience is not None and progress.stale >= budget.patience)
        return progress.finished

    def _step(self, batch: Batch) -> dict[str, float]:
        """Forward, loss, finite?, backward, clip, finite?, step."""
        execution, device = self.config.execution, self.place.device
        self._set_learning_rates()
        self._set_modes()
        draws = self._draws(batch.frames.shape[1])
        frames, truth = self._given(batch, draws)
        with autocast(execution.precision, device):
            loss, terms = self.trainee(frames, draws.to(device), truth)
        self._require_finite(loss, "loss", batch)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.trained.values(), execution.clip)
        self._require_finite(norm, "gradient", batch)
        self.optimiser.step()
        values = self.place.mean({**terms, "loss": loss})
        return {**values, "gradient_norm": norm.item(), "learning_rate": self._rate()}

    def _given(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        """Return frames as fractions and what else is known, on the device; real ones flipped and transposed."""
        moved = batch.to(self.place.device)
        frames = as_fractions(moved.frames)
        truth = {name: tensor for name, tensor in moved.arrays.items() if name != FRAMES}
        augment = not self.phase.data and self.config.data.augment
        if VALID in truth:
            valid = truth[VALID].bool().unsqueeze(2)
            truth[VALID] = transformed(valid, draws.symmetry) if augment else valid
        return transformed(frames, draws.symmetry) if augment else frames, truth

    def _draws(self, frames: int) -> Draws:
        budget = self.phase.budget
        drawn = draw(
            self.config.seed,
            self.phase.name,
            self.progress.step,
            steps=budget.steps,
            batch=budget.batch,
            frames=frames,
        )
        return drawn.shared(self.place.rank, self.place.world)

    def _set_learning_rates(self) -> None:
        share = _schedule(self.progress.step, self.phase.budget)
        for group in self.optimiser.param_groups:
            group["lr"] = group["highest"] * share

    def _rate(self) -> float:
        return float(self.optimiser.param_groups[0]["lr"])

    def _set_modes(self) -> None:
        """Train what is trained; what is frozen is as it will be used."""
        self.network.eval()
        for name, module in self.network.named_modules():
            if any(f"{name}.".startswith(f"{prefix}.") for prefix in self.phase.trains):
                module.train()

    def _require_finite(self, value: Tensor, what: str, batch: Batch) -> None:
        finite = bool(torch.isfinite(value))
        if not self.place.any(not finite):
            return
        seen = "not finite in another process" if finite else f"{value.item():g}, sequences {batch.named},"
        raise NotFiniteError(
            f"the {what} of {self.phase.name} is {seen} at step {self.progress.step + 1}; nothing was changed, look at "
            "them or give a lower schedule learning_rate"
        )

    def _validate(self, recorder: Recorder | None) -> None:
        """Measure the free-running forecast on validation data; keep the parameters if they are the best."""
        progress = self.progress
        error = validation_error(self.network, self.feed.validation(), self.config, self.place, self.feed.limit)
        if recorder:
            recorder.record(progress.step, validation=error)
        error = math.inf if math.isnan(error) else error  # any forecast that is one is better
        if progress.best is None or error < progress.best:
            progress.best, progress.best_step, progress.stale = error, progress.step, 0
            self._save(BEST)
        else:
            progress.stale += 1

    def _save(self, name: str) -> None:
        if not self.place.first:
            return
        checkpoint = Checkpoint(
            config=self.config,
            phase=self.phase.name,
            progress=replace(self.progress),
            network=self.network.state_dict(),
            optimiser=self.optimiser.state_dict() if name == LAST else {},
        )
        save(self.folder / name, checkpoint)

    def _resume(self) -> None:
        path = self.folder / LAST
        if not path.exists():
            return
        saved = load_own(path, self.config, self.phase.name, self.place.device)
        load_parameters(self.network, saved.network, path)
        try:
            self.optimiser.load_state_dict(dict(saved.optimiser))
        except (KeyError, ValueError) as error:  # it has no state, as the best checkpoint, or that of other parameters
            raise InputError(
                f"{path} has no state of the optimiser to go on from; put back the checkpoint that was there"
            ) from error
        self.progress = saved.progress

    def _count(self, since: tuple[float, float]) -> tuple[float, float]:
        """Add the time since then to the progress."""
        now = _clocks()
        self.progress.seconds += now[0] - since[0]
        self.progress.cpu_seconds += now[1] - since[1]
        return now


@torch.no_grad()
def validation_error(
    network: STMoE, batches: Iterator[Batch], config: RunConfig, place: Place, limit: float = 1.0
) -> float:
    """
    Return the squared error of forecasts: summed over a frame, mean over lead times and sequences, full scale 1.

    Parameters
    ----------
    batches : of this process; all of them together are the validation data, clean where they come so
    limit : forecasts are clipped to [0, limit]; what has no data does not count
    """
    network.eval()
    inputs, horizon = config.data.input_frames, config.data.horizon
    total = torch.zeros(2, dtype=torch.float64, device=place.device)
    for batch in batches:
        frames = as_fractions(batch.arrays.get(CLEAN, batch.frames).to(place.device))
        with autocast(config.execution.precision, place.device):
            forecast = network(frames[:, :inputs], horizon)
        errors = (forecast.frames.float().clamp(0, limit) - frames[:, inputs:]).square()
        if VALID in batch.arrays:
            errors = errors * batch[VALID].to(place.device)[:, inputs:, None]
        errors = errors.sum((2, 3, 4))
        total += torch.stack([errors.double().mean(1).sum(), torch.tensor(float(len(frames)), device=place.device)])
    summed = place.summed(total)
    return float(summed[0] / summed[1])


def _groups(trained: Mapping[str, nn.Parameter], budget: Budget) -> list[dict[str, Any]]:
    """Return the optimiser's groups: gates at the full learning rate, experts and decoder at theirs."""
    gates = [parameter for name, parameter in trained.items() if name.startswith(f"{GATE}.")]
    others = [parameter for name, parameter in trained.items() if not name.startswith(f"{GATE}.")]
    slower = budget.expert_learning_rate or budget.learning_rate
    groups = [(gates, budget.learning_rate), (others, slower)]
    return [{"params": members, "lr": rate, "highest": rate} for members, rate in groups if members]


def _schedule(step: int, budget: Budget) -> float:
    """Return the share of the highest learning rate at a step: a linear rise, then a cosine to 0."""
    if step < budget.warmup:
        return (step + 1) / budget.warmup
    return 0.5 * (1 + math.cos(math.pi * (step - budget.warmup) / max(1, budget.steps - budget.warmup)))


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
