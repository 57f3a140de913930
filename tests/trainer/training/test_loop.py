"""The loop: what it trains and leaves alone, when it stops, what it keeps, and that stopping changes nothing."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from schemas.errors import InputError
from schemas.run import RunConfig
from tests.trainer.tiny import CPU, STEPS, changed, phase_of, snapshot, tiny_config
from trainer.data.batches import Batch
from trainer.training.checkpoint import BEST, LAST, Checkpoint, load
from trainer.training.distributed import Place
from trainer.training.feeding import Feed
from trainer.training.loop import Loop, NotFiniteError, Report, validation_error
from trainer.training.networks import network_of
from trainer.training.objectives import Trainee
from trainer.training.recording import Recorder, read_log

Stores = dict[str, str]
FORWARD = Trainee.forward


@contextmanager
def loop_of(
    config: RunConfig,
    phase: str,
    folder: Path,
    stop_after: int | None = None,
    show: Callable[[Report], None] = lambda _report: None,
) -> Iterator[Loop]:
    """Make a loop that is asked to stop when it has done so many steps."""
    found, place = phase_of(config, phase), Place(CPU)
    with closing(Feed(config, found, place)) as feed:
        loop = Loop(
            config,
            found,
            network_of(config, found),
            feed,
            folder,
            place,
            lambda: stop_after is not None and loop.progress.step >= stop_after,
            show,
        )
        yield loop


def run(config: RunConfig, phase: str, folder: Path, stop_after: int | None = None) -> None:
    with loop_of(config, phase, folder, stop_after) as loop:
        loop.run(None)


def budget(**fields: Any) -> dict[str, Any]:
    return {"schedule": dict.fromkeys(("decoder", "mim", "addl", "gates", "joint"), fields)}


def same(a: Checkpoint, b: Checkpoint) -> bool:
    """Tell whether two checkpoints are equal to the bit, times apart."""
    timeless = [replace(checkpoint.progress, seconds=0, cpu_seconds=0) for checkpoint in (a, b)]
    states = [checkpoint.optimiser["state"] for checkpoint in (a, b)]
    return (
        (a.config, a.phase, timeless[0]) == (b.config, b.phase, timeless[1])
        and not changed(a.network, b.network)
        and states[0].keys() == states[1].keys()
        and not any(changed(states[0][number], states[1][number]) for number in states[0])
    )


def part_of(name: str) -> str:
    """Return experts.<name>, gate or decoder."""
    first, second, *_ = name.split(".")
    return f"{first}.{second}" if first == "experts" else first


EVERY_PHASE = [
    ("stmoe-id", "expert-translation"),
    ("stmoe-id", "expert-rotation"),
    ("stmoe-id", "gates"),
    ("stmoe-id", "joint"),
    ("stmoe-conv", "decoder"),
    ("stmoe-conv", "expert-translation"),
    ("stmoe-conv", "gates"),
    ("stmoe-conv", "joint"),
    ("mim", "joint"),
]


@pytest.mark.parametrize(("kind", "phase"), EVERY_PHASE)
def test_what_is_trained_changes_and_what_is_frozen_does_not_by_a_bit(
    kind: str, phase: str, stores: Stores, tmp_path: Path
) -> None:
    with loop_of(tiny_config(stores, kind), phase, tmp_path) as loop:
        before = snapshot(loop.network)
        loop.run(None)
        found = changed(before, snapshot(loop.network))
    assert found <= loop.trained.keys()
    assert {part_of(name) for name in found} == {part_of(name) for name in loop.trained} != set()


@pytest.mark.parametrize(("kind", "phase"), [("stmoe-conv", "decoder"), ("stmoe-conv", "gates"), ("stmoe-id", "joint")])
def test_what_is_frozen_is_as_it_will_be_used(kind: str, phase: str, stores: Stores, tmp_path: Path) -> None:
    modes: list[dict[str, bool]] = []

    def look(_report: Report) -> None:
        modes.append({name: module.training for name, module in loop.network.named_modules() if name})

    with loop_of(tiny_config(stores, kind), phase, tmp_path, show=look) as loop:
        loop.run(None)
    trains = phase_of(tiny_config(stores, kind), phase).trains
    expected = {name: any(f"{name}.".startswith(f"{part}.") for part in trains) for name in modes[0]}
    assert modes == [expected] * STEPS
    assert set(expected.values()) == {True, False}


@pytest.mark.parametrize("phase", ["decoder", "expert-translation", "joint"])
@pytest.mark.parametrize("stops", [(0,), (1,), (3,), (4, 5), (1, 2, 3, 4, 5, 6, 7)])
def test_a_phase_that_was_stopped_ends_with_the_same_bits(
    phase: str, stops: tuple[int, ...], stores: Stores, tmp_path: Path, whole: Callable[[str], Path]
) -> None:
    config = tiny_config(stores, **budget(steps=7, validate_every=3), execution={"save_every": 1000})
    for stop_after in stops:
        run(config, phase, tmp_path, stop_after)
        assert load(tmp_path / LAST, CPU).progress.step == stop_after
    run(config, phase, tmp_path)
    assert same(load(tmp_path / LAST, CPU), load(whole(phase) / LAST, CPU))
    assert changed(load(tmp_path / BEST, CPU).network, load(whole(phase) / BEST, CPU).network) == set()


@pytest.fixture(scope="module")
def whole(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a phase that nothing interrupted: 7 steps, more than two epochs of real data."""
    folders: dict[str, Path] = {}

    def folder(phase: str) -> Path:
        if phase not in folders:
            folders[phase] = tmp_path_factory.mktemp("whole")
            config = tiny_config(stores, **budget(steps=7, validate_every=3), execution={"save_every": 1000})
            run(config, phase, folders[phase])
        return folders[phase]

    return folder


def test_a_kill_loses_no_more_than_since_the_last_checkpoint(
    stores: Stores, tmp_path: Path, whole: Callable[[str], Path]
) -> None:
    config = tiny_config(stores, **budget(steps=7, validate_every=3), execution={"save_every": 2})

    class Killed(BaseException):
        pass

    def kill(report: Report) -> None:
        if report.step == 6:
            raise Killed

    with loop_of(config, "joint", tmp_path, show=kill) as loop, pytest.raises(Killed):
        loop.run(None)
    assert load(tmp_path / LAST, CPU).progress.step == 4
    run(config, "joint", tmp_path)
    often, seldom = load(tmp_path / LAST, CPU), load(whole("joint") / LAST, CPU)
    assert changed(often.network, seldom.network) == set()


def test_a_finished_phase_does_nothing_more(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores)
    run(config, "gates", tmp_path)
    before = load(tmp_path / LAST, CPU)
    steps: list[Report] = []
    with loop_of(config, "gates", tmp_path, show=steps.append) as loop:
        loop.run(None)
    assert steps == []
    assert same(load(tmp_path / LAST, CPU), before)


def rates(config: RunConfig, phase: str, folder: Path) -> list[list[float]]:
    """Return the learning rate of every group at every step."""
    found: list[list[float]] = []

    def look(_report: Report) -> None:
        found.append([group["lr"] for group in loop.optimiser.param_groups])

    with loop_of(config, phase, folder, show=look) as loop:
        loop.run(None)
    return found


def test_learning_rate_rises_in_a_line_and_falls_in_a_cosine(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, **budget(steps=6, warmup=2, learning_rate=0.01))
    cosine = [0.01 * (1 + math.cos(math.pi * share)) / 2 for share in (0, 0.25, 0.5, 0.75)]
    assert [rate for (rate,) in rates(config, "decoder", tmp_path)] == pytest.approx([0.005, 0.01, *cosine])


def test_gates_learn_faster_than_what_local_phases_taught(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, **budget(learning_rate=0.01, expert_learning_rate=0.001))
    for gates, others in rates(config, "joint", tmp_path):
        assert others == pytest.approx(gates / 10)
    with loop_of(config, "joint", tmp_path / "again") as loop:
        first, second = (set(map(id, group["params"])) for group in loop.optimiser.param_groups)
        assert first == set(map(id, loop.network.gate.parameters()))
        assert first | second == set(map(id, loop.network.parameters()))


def test_patience_ends_a_phase_that_no_longer_gains(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, **budget(steps=100, learning_rate=1e-30, validate_every=1, patience=2))
    run(config, "gates", tmp_path)
    progress = load(tmp_path / LAST, CPU).progress
    assert (progress.step, progress.best_step, progress.stale, progress.finished) == (3, 1, 2, True)


def test_the_best_parameters_are_kept_not_the_last(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, **budget(steps=8, learning_rate=1, validate_every=1))
    recorder = Recorder(tmp_path, "decoder", 0)
    with loop_of(config, "decoder", tmp_path) as loop:
        progress = loop.run(recorder)
        recorder.close()
        errors = {record["step"]: record["validation"] for record in read_log(tmp_path) if "validation" in record}
        best = load(tmp_path / BEST, CPU)
        assert list(errors) == list(range(1, 9))
        assert progress.best == min(errors.values()) == errors[progress.best_step] < errors[8]
        assert best.progress.step == progress.best_step
        assert best.optimiser == {}
        loop.network.load_state_dict(dict(best.network))
        assert validation_error(loop.network, loop.feed.validation(), config, loop.place) == progress.best


def test_forecasts_that_are_no_numbers_are_never_the_best(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([math.nan, math.nan, 5.0, math.nan, 4.0, 6.0])
    monkeypatch.setattr("trainer.training.loop.validation_error", lambda *_: next(errors))
    run(tiny_config(stores, **budget(steps=6, validate_every=1)), "gates", tmp_path)
    progress = load(tmp_path / LAST, CPU).progress
    assert (progress.best, progress.best_step, progress.stale) == (4.0, 5, 1)
    assert load(tmp_path / BEST, CPU).progress.step == 5


class Copies(nn.Module):
    """Forecast twice the newest frame, again and again."""

    def forward(self, inputs: Tensor, horizon: int) -> Any:
        return type("Forecast", (), {"frames": (2 * inputs[:, -1:]).expand(-1, horizon, -1, -1, -1)})


def test_validation_is_the_squared_error_of_a_frame_of_forecasts_within_range(stores: Stores) -> None:
    config = tiny_config(stores)
    frames = torch.randint(0, 256, (5, 4, 3, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    batches = [
        Batch(
            arrays={"frames": part},
            index=torch.arange(len(part)),
            source=torch.zeros(len(part)),
            paths=(),
            epoch=0,
            number=0,
        )
        for part in (frames[:3], frames[3:])
    ]
    fractions = frames.double() / 255
    forecast = (2 * fractions[:, 1:2]).clamp(0, 1)
    expected = (forecast - fractions[:, 2:]).square().sum((2, 3)).mean()
    error = validation_error(Copies(), iter(batches), config, Place(CPU))  # type: ignore[arg-type]
    assert error == pytest.approx(expected.item(), rel=1e-6)


def poison(monkeypatch: pytest.MonkeyPatch, at: int, spoil: Callable[[Trainee, Tensor], Tensor]) -> None:
    """Spoil the loss of one step."""
    calls = iter(range(1, 1000))

    def forward(self: Trainee, *of: Any) -> tuple[Tensor, dict[str, Tensor]]:
        loss, terms = FORWARD(self, *of)
        return spoil(self, loss) if next(calls) == at else loss, terms

    monkeypatch.setattr(Trainee, "forward", forward)


def with_bad_gradient(trainee: Trainee, loss: Tensor) -> Tensor:
    """Return the loss with a term that is 0 and has no gradient there."""
    return loss + sum((parameter.sum() * 0).sqrt() for parameter in trainee.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda _trainee, loss: loss * math.nan, "loss of joint is nan"),
        (lambda _trainee, loss: loss / 0, "loss of joint is inf"),
        (with_bad_gradient, "gradient of joint is nan"),
    ],
)
def test_what_is_no_number_never_reaches_the_optimiser(
    spoil: Callable[[Trainee, Tensor], Tensor],
    what: str,
    stores: Stores,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = tiny_config(stores)
    with loop_of(config, "joint", tmp_path / "stopped", stop_after=2) as loop:
        loop.run(None)
        third = next(loop.feed.training((loop.progress.epoch, loop.progress.batch)))
    poison(monkeypatch, 3, spoil)
    with loop_of(config, "joint", tmp_path / "poisoned") as loop:
        with pytest.raises(NotFiniteError) as caught:
            loop.run(None)
        found = Checkpoint(
            config=config,
            phase="joint",
            progress=replace(loop.progress),
            network=loop.network.state_dict(),
            optimiser=loop.optimiser.state_dict(),
        )
    assert same(found, load(tmp_path / "stopped" / LAST, CPU))
    assert str(caught.value) == (
        f"the {what}, sequences {third.named}, at step 3; nothing was changed, look at them or give a lower schedule "
        "learning_rate"
    )
    assert third.named == f"{', '.join(map(str, third.index.tolist()))} of {stores['real']}"


def test_a_step_is_no_longer_than_asked(stores: Stores, tmp_path: Path) -> None:
    norms: list[float] = []

    def look(_report: Report) -> None:
        squares = [parameter.grad.square().sum() for parameter in loop.trained.values() if parameter.grad is not None]
        norms.append(torch.stack(squares).sum().sqrt().item())

    recorder = Recorder(tmp_path, "decoder", 0)
    with loop_of(tiny_config(stores, execution={"clip": 1e-3}), "decoder", tmp_path, show=look) as loop:
        loop.run(recorder)
    recorder.close()
    assert norms == pytest.approx([1e-3] * STEPS, rel=1e-3)
    assert all(record["gradient_norm"] > 1e-3 for record in read_log(tmp_path) if "loss" in record)


def first_loss(config: RunConfig, phase: str, folder: Path) -> float:
    losses: list[float] = []
    with loop_of(config, phase, folder, 1, lambda report: losses.append(report.loss)) as loop:
        loop.run(None)
    return losses[0]


def test_real_sequences_are_augmented_and_synthetic_ones_are_not(stores: Stores, tmp_path: Path) -> None:
    plain, augmented = (tiny_config(stores, data={"augment": value}) for value in (False, True))
    for phase, differs in (("joint", True), ("decoder", False)):
        losses = [first_loss(config, phase, tmp_path / f"{phase}{i}") for i, config in enumerate((plain, augmented))]
        assert (losses[0] != losses[1]) is differs


def test_bfloat16_computes_about_the_same_and_keeps_parameters_in_float32(stores: Stores, tmp_path: Path) -> None:
    exact, half = (tiny_config(stores, execution={"precision": precision}) for precision in ("fp32", "bf16"))
    losses = [first_loss(config, "joint", tmp_path / str(i)) for i, config in enumerate((exact, half))]
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert {tensor.dtype for tensor in load(tmp_path / "1" / LAST, CPU).network.values()} == {torch.float32}


def test_data_that_fail_in_a_validation_lose_no_step(
    stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(stores, execution={"save_every": 100})
    run(config, "gates", tmp_path / "whole")

    def fail(_feed: Feed) -> Iterator[Batch]:
        raise InputError("data are gone")

    with monkeypatch.context() as patch:
        patch.setattr(Feed, "validation", fail)
        with pytest.raises(InputError, match="data are gone"):
            run(config, "gates", tmp_path / "cut")
    assert load(tmp_path / "cut" / LAST, CPU).progress.step == 2
    run(config, "gates", tmp_path / "cut")
    assert same(load(tmp_path / "cut" / LAST, CPU), load(tmp_path / "whole" / LAST, CPU))


def test_progress_is_told_after_every_step(stores: Stores, tmp_path: Path) -> None:
    told: list[Report] = []
    with loop_of(tiny_config(stores), "gates", tmp_path, show=told.append) as loop:
        loop.run(None)
    assert [(report.phase, report.step, report.steps) for report in told] == [("gates", i + 1, STEPS) for i in range(4)]
    assert told[0].best is None
    assert told[-1].best is not None
    assert loop.progress.seconds > 0


@pytest.mark.slow
def test_compiled_networks_learn_the_same(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_, graphs = torch.compile, []

    def backend(graph: torch.fx.GraphModule, _inputs: object) -> object:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", lambda module: compile_(module, backend=backend))
    for phase in ("decoder", "joint"):
        for compiled in (False, True):
            config, compiled_by = tiny_config(stores, execution={"compile": compiled}), list[int]()
            folder = tmp_path / f"{phase}{compiled}"
            with loop_of(config, phase, folder, show=lambda _, by=compiled_by: by.append(len(graphs))) as loop:  # type: ignore[misc]
                loop.run(None)
            assert compiled_by[1] == compiled_by[-1], "a step like the one before is compiled anew"
        plain, traced = (load(tmp_path / f"{phase}{compiled}" / LAST, CPU).network for compiled in (False, True))
        assert plain.keys() == traced.keys()
        for name, tensor in plain.items():
            torch.testing.assert_close(traced[name], tensor, rtol=0, atol=1e-5)


# PyTorch's compiler imports what PyTorch has deprecated.
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_networks_that_cannot_be_compiled_are_refused_in_one_line(stores: Stores, tmp_path: Path) -> None:
    config = tiny_config(stores, execution={"compile": True})
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}),
        pytest.raises(InputError, match=r"execution\.compile is true.*no-such-compiler.*; install a C\+\+") as told,
    ):
        run(config, "decoder", tmp_path)
    assert "\n" not in str(told.value)
