"""Mixtures add up what experts say, feed it back, and are each expert alone where the gates say so."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainer.models.addl import ADDL
from trainer.models.decoder import ConvolutionDecoder, IdentityDecoder
from trainer.models.gating import ConstantGate, PixelwiseGate
from trainer.models.mim import MIM
from trainer.models.stmoe import Rollout, STMoE

INPUT_FRAMES = 4
ROLLOUTS: tuple[Rollout, ...] = ("stateful", "window")

every_rollout = pytest.mark.parametrize("rollout", ROLLOUTS)


class Shift(nn.Module):
    """Move the newest frame by whole pixels; remember nothing."""

    def __init__(self, right: int, down: int) -> None:
        super().__init__()
        self.shifts = (down, right)

    def begin(self, inputs: Tensor) -> None:
        pass

    def step(self, frame: Tensor, state: None) -> tuple[Tensor, None]:
        return frame.roll(self.shifts, (-2, -1)), state


class Average(nn.Module):
    """Forecast a multiple of the mean of all frames seen, and keep a record of them."""

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))
        self.seen: list[Tensor] = []

    def begin(self, inputs: Tensor) -> tuple[Tensor, int]:
        self.seen += inputs[:, :-1].unbind(1)
        return inputs[:, :-1].sum(1), inputs.shape[1] - 1

    def step(self, frame: Tensor, state: tuple[Tensor, int]) -> tuple[Tensor, tuple[Tensor, int]]:
        self.seen.append(frame)
        total, count = state[0] + frame, state[1] + 1
        return self.gain * total / count, (total, count)


class Scheduled(nn.Module):
    """Weight two experts by one parameter for each call, the other expert by what lacks to 1."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))
        self.windows: list[Tensor] = []

    def forward(self, window: Tensor) -> Tensor:
        weight = self.weights[len(self.windows) % len(self.weights)]
        self.windows.append(window)
        log_weights = torch.stack((weight, 1 - weight)).log()
        return log_weights[:, None, None].expand(len(window), 2, *window.shape[-2:])


class Forced(nn.Module):
    """Give one expert all the weight."""

    def __init__(self, experts: int, chosen: int) -> None:
        super().__init__()
        self.log_weights = torch.full((experts,), -torch.inf)
        self.log_weights[chosen] = 0

    def forward(self, window: Tensor) -> Tensor:
        return self.log_weights[:, None, None].expand(len(window), -1, *window.shape[-2:])


def clip(batch: int = 2, channels: int = 1, time: int = INPUT_FRAMES, seed: int = 0) -> Tensor:
    return torch.rand(batch, time, channels, 12, 16, generator=torch.Generator().manual_seed(seed))


def addl(**options: Any) -> ADDL:
    model = ADDL(width=4, stages=2, input_frames=INPUT_FRAMES, sampling="bicubic", padding="border", **options)
    nn.init.normal_(model.estimator.head.weight, std=0.5)
    return model


def mim(features: int | None = None) -> MIM:
    return MIM(layers=2, hidden=4, kernel=3, patch=2, features=features)


def pixelwise(experts: int, *, new: bool = False) -> PixelwiseGate:
    gate = PixelwiseGate(
        experts=experts,
        input_channels=INPUT_FRAMES,
        channels=8,
        dilations=(1, 2),
        reduction=4,
        head=4,
        activation="softmax",
    )
    for head in () if new else gate.heads:
        nn.init.normal_(head.output.weight, std=5)  # weights as far from even as those of a trained gate
    return gate


def mixture(kind: str = "id", rollout: Rollout = "stateful", seed: int = 0) -> STMoE:
    """Build a small STMoE-Id or STMoE-conv whose gates are far from even."""
    torch.manual_seed(seed)
    experts: dict[str, nn.Module]
    if kind == "id":
        decoder: nn.Module = IdentityDecoder()
        experts = {"translation": addl(), "rotation": mim(), "intensity": mim()}
    else:
        decoder = ConvolutionDecoder(3)
        experts = {"translation": mim(3), "rotation": mim(3), "intensity": mim(3)}
    return STMoE(experts, pixelwise(3), decoder, input_frames=INPUT_FRAMES, rollout=rollout)


def of(*experts: nn.Module, gate: nn.Module, **options: Any) -> STMoE:
    named = {f"expert {number}": expert for number, expert in enumerate(experts)}
    return STMoE(named, gate, IdentityDecoder(), input_frames=INPUT_FRAMES, **options)


def alone(model: STMoE, name: str) -> STMoE:
    return STMoE(
        {"all": model.experts[name]},
        ConstantGate(1, 1.0),
        model.decoder,
        input_frames=INPUT_FRAMES,
        rollout=model.rollout,
    )


@pytest.mark.parametrize("kind", ["id", "conv"])
def test_first_forecast_is_the_same_with_state_and_by_windows(kind: str) -> None:
    stateful, windowed = (mixture(kind, rollout)(clip(), 3, parts=True) for rollout in ROLLOUTS)
    for with_state, by_window in zip(stateful, windowed, strict=True):
        assert torch.equal(with_state[:, 0], by_window[:, 0])
    assert not torch.equal(stateful.frames[:, 1], windowed.frames[:, 1])


def test_window_rollout_forecasts_one_frame_from_each_window_anew() -> None:
    model = mixture(rollout="window")
    forecast, window = model(clip(), 3), clip()
    for lead in range(3):
        one = model(window, 1)
        assert torch.equal(one.frames[:, 0], forecast.frames[:, lead])
        assert torch.equal(one.log_weights[:, 0], forecast.log_weights[:, lead])
        window = torch.cat((window[:, 1:], one.frames), 1)


def test_expert_with_state_sees_every_frame_once() -> None:
    expert = Average()
    frames = of(expert, Shift(1, 0), gate=Scheduled(0.5))(clip(), 3).frames
    seen = torch.stack(expert.seen, 1)
    assert torch.equal(seen, torch.cat((clip(), frames[:, :2]), 1))


def test_gate_sees_the_window_oldest_first() -> None:
    gate = Scheduled(0.25)
    inputs = clip(channels=3)
    frames = of(Average(), Shift(1, 0), gate=gate)(inputs, 3).frames
    stacked = torch.cat((inputs, frames), 1)
    for lead, window in enumerate(gate.windows):
        assert torch.equal(window, stacked[:, lead : lead + INPUT_FRAMES].flatten(1, 2))


@every_rollout
@pytest.mark.parametrize("kind", ["id", "conv"])
@pytest.mark.parametrize("chosen", [0, 1, 2])
def test_gate_forced_to_one_expert_is_that_expert_alone(kind: str, chosen: int, rollout: Rollout) -> None:
    model = mixture(kind, rollout)
    model.gate = Forced(3, chosen)
    name = list(model.experts)[chosen]
    assert torch.equal(model(clip(), 4).frames, alone(model, name)(clip(), 4).frames)


def test_experts_that_agree_are_the_mixture() -> None:
    model = of(mim(), mim(), mim(), gate=pixelwise(3))
    for expert in model.experts.values():
        expert.load_state_dict(model.experts["expert 0"].state_dict())
    torch.testing.assert_close(model(clip(), 3).frames, alone(model, "expert 0")(clip(), 3).frames)


def test_constant_weights_add_or_average_the_experts() -> None:
    shifts = Shift(1, 0), Shift(0, 2), Shift(3, 3)
    moved = sum(shift.step(clip()[:, -1], None)[0] for shift in shifts)
    torch.testing.assert_close(of(*shifts, gate=ConstantGate(3, 1.0))(clip(), 1).frames[:, 0], moved)
    torch.testing.assert_close(of(*shifts, gate=ConstantGate(3, 1 / 3))(clip(), 1).frames[:, 0], moved / 3)


def test_loss_at_a_later_time_reaches_earlier_weights_through_frozen_experts() -> None:
    gate = Scheduled(0.3, 0.6)
    model = of(Average(), Shift(1, 0), gate=gate)
    model.experts.requires_grad_(requires_grad=False)
    model(clip(), 2).frames[:, 1].square().sum().backward()
    assert gate.weights.grad is not None
    assert gate.weights.grad.ne(0).tolist() == [True, True]


def test_detached_feedback_ends_gradients_between_times() -> None:
    gate = Scheduled(0.3, 0.6)
    model = of(Average(), Shift(1, 0), gate=gate)
    forecast = model(clip(), 2, detach_feedback=True)
    forecast.frames[:, 1].square().sum().backward()
    assert gate.weights.grad is not None
    assert gate.weights.grad.ne(0).tolist() == [False, True]
    assert torch.equal(forecast.frames, of(Average(), Shift(1, 0), gate=Scheduled(0.3, 0.6))(clip(), 2).frames)


def test_single_forecast_has_no_feedback() -> None:
    def gradients(*, detach_feedback: bool) -> list[Tensor | None]:
        model = mixture()
        forecast = model(clip(), 1, detach_feedback=detach_feedback)
        assert forecast.frames.shape == (2, 1, 1, 12, 16)
        assert forecast.log_weights.shape == (2, 1, 3, 12, 16)
        forecast.frames.square().sum().backward()
        return [parameter.grad for parameter in model.parameters()]

    for free, detached in zip(gradients(detach_feedback=False), gradients(detach_feedback=True), strict=True):
        assert (free is None and detached is None) or torch.equal(free, detached)  # type: ignore[arg-type]


def test_reordered_experts_reorder_the_weights_and_change_no_forecast() -> None:
    model, order = mixture(), [2, 0, 1]
    before = model(clip(), 3, parts=True)
    names = list(model.experts)
    model.experts = nn.ModuleDict({names[k]: model.experts[names[k]] for k in order})
    model.gate.heads = nn.ModuleList([model.gate.heads[k] for k in order])  # type: ignore[index, union-attr]
    after = model(clip(), 3, parts=True)
    torch.testing.assert_close(after.frames, before.frames)
    torch.testing.assert_close(after.log_weights, before.log_weights[:, :, order])
    torch.testing.assert_close(after.parts, before.parts[:, :, order])


@every_rollout
def test_weighted_parts_add_up_to_the_forecast(rollout: Rollout) -> None:
    forecast = mixture(rollout=rollout)(clip(), 3, parts=True)
    assert forecast.parts is not None
    weights = forecast.log_weights.exp()[:, :, :, None]
    torch.testing.assert_close((weights * forecast.parts).sum(2), forecast.frames)


def test_decoded_parts_add_up_where_nothing_weights_them() -> None:
    model = mixture("conv")
    model.gate = ConstantGate(3, 1.0)
    forecast = model(clip(), 2, parts=True)
    assert forecast.parts is not None
    assert forecast.parts.shape == (2, 2, 3, 1, 12, 16)
    torch.testing.assert_close(forecast.parts.sum(2), forecast.frames)


def test_parts_are_made_only_when_asked_for_and_change_nothing() -> None:
    model = mixture()
    without, with_parts = model(clip(), 2), model(clip(), 2, parts=True)
    assert without.parts is None
    assert torch.equal(without.frames, with_parts.frames)


def test_longer_forecast_begins_with_the_shorter_one() -> None:
    model = mixture()
    assert torch.equal(model(clip(), 9).frames[:, :2], model(clip(), 2).frames)


@every_rollout
def test_forecast_of_a_sequence_leaves_no_trace_in_the_next(rollout: Rollout) -> None:
    model = mixture(rollout=rollout)
    first = model(clip(), 3).frames
    model(clip(batch=1, seed=1), 3)
    assert torch.equal(model(clip(), 3).frames, first)


def test_sequences_of_a_batch_do_not_meet() -> None:
    model = mixture("conv")
    torch.testing.assert_close(model(clip(3), 3).frames[1:2], model(clip(3)[1:2], 3).frames, rtol=0, atol=1e-5)


def test_parameters_are_named_by_expert_gate_and_decoder() -> None:
    prefixes = {".".join(name.split(".")[:2]) for name, _ in mixture("conv").named_parameters()}
    experts = {"experts.translation", "experts.rotation", "experts.intensity"}
    assert prefixes == experts | {"gate.trunk", "gate.heads", "decoder.convolution"}


def test_every_parameter_learns_from_the_forecast() -> None:
    model = mixture("conv")
    model(clip(), 2).frames.square().sum().backward()
    assert [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ] == []


@pytest.mark.parametrize("time", [3, 5])
def test_another_number_of_input_frames_is_refused(time: int) -> None:
    with pytest.raises(ValueError, match=f"{time} input frames were given to a network for 4"):
        mixture()(clip(time=time), 1)


@pytest.mark.parametrize("kind", ["id", "conv"])
def test_forecast_is_float32_under_autocast(kind: str) -> None:
    model = mixture(kind)
    exact = model(clip(), 3, parts=True)
    with torch.autocast("cpu", torch.bfloat16):
        forecast = model(clip(), 3, parts=True)
    assert {tensor.dtype for tensor in forecast} == {torch.float32}
    assert 0 < (forecast.frames[:, 0] - exact.frames[:, 0]).abs().mean() < 0.02


def textures(count: int, generator: torch.Generator) -> Tensor:
    noise = torch.rand(count, 1, 24, 24, generator=generator)
    return nn.functional.avg_pool2d(nn.functional.pad(noise, (1, 1, 1, 1), "circular"), 3, 1) * 2 - 0.5


@pytest.mark.slow
def test_gate_finds_the_half_of_the_frame_where_each_expert_is_right() -> None:
    # Textures move to the right in the left half and down in the right half; there are no other signs.
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    left = (torch.arange(24) < 12).expand(24, 24)
    experts = Shift(2, 0), Shift(0, 2)
    model = of(*experts, gate=pixelwise(2, new=True))

    def sequences(count: int) -> tuple[Tensor, Tensor]:
        rightwards, downwards = textures(count, generator), textures(count, generator)
        moving = [
            torch.where(left, rightwards.roll(2 * time, -1), downwards.roll(2 * time, -2))
            for time in range(INPUT_FRAMES)
        ]
        return torch.stack(moving, 1), torch.where(left, *(expert.step(moving[-1], None)[0] for expert in experts))

    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(200):
        inputs, target = sequences(4)
        optimiser.zero_grad()
        (model(inputs, 1).frames[:, 0] - target).square().mean().backward()
        optimiser.step()
    chosen = model(sequences(16)[0], 1).log_weights[:, 0, 0].exp() > 0.5
    assert (chosen & left).sum() / (chosen | left).sum() > 0.9
