"""ADDL copies at first, learns where things go, moves them and nothing else, at any size."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainer.models.addl import ADDL
from trainer.models.warping import warp, warp_gaussian


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network(width: int = 8, stages: int = 3, input_frames: int = 4, seed: int = 0, **options: Any) -> ADDL:
    torch.manual_seed(seed)
    options = {"sampling": "bilinear", "padding": "border"} | options
    return ADDL(width=width, stages=stages, input_frames=input_frames, **options)


def clip(batch: int = 2, time: int = 4, channels: int = 1, y: int = 16, x: int = 24) -> Tensor:
    return torch.rand(batch, time, channels, y, x, generator=seeded())


class Motion(nn.Module):
    """Estimate the same motion whatever is seen."""

    def __init__(self, right: float, down: float) -> None:
        super().__init__()
        self.motion = nn.Parameter(torch.tensor([float(right), float(down)]))

    def forward(self, frames: Tensor) -> Tensor:
        return self.motion[:, None, None].expand(len(frames), 2, *frames.shape[-2:])


def with_motion(right: float, down: float, **options: Any) -> ADDL:
    model = network(**options)
    model.estimator = Motion(right, down)  # type: ignore[assignment]
    return model


def moving_blobs(count: int, time: int, speed: float, size: int = 32, sigma: float = 2) -> Tensor:
    """Render Gaussian blobs that cross the middle of the frame, each in its own direction."""
    angle = 2 * math.pi * torch.rand(count, 1, 1, 1, 1, generator=seeded(1))
    middle = size / 2 - 4 + 8 * torch.rand(2, count, 1, 1, 1, 1, generator=seeded(2))
    path = speed * (torch.arange(time) - (time - 1) / 2).view(-1, 1, 1, 1)
    right = torch.arange(size) - middle[0] - angle.cos() * path
    down = torch.arange(size)[:, None] - middle[1] - angle.sin() * path
    return torch.exp(-(right**2 + down**2) / (2 * sigma**2))


@pytest.mark.parametrize(
    ("width", "stages", "parameters"), [(64, 5, 22_197_736), (16, 5, 1_389_328), (16, 4, 337_680), (8, 4, 84_852)]
)
def test_parameters_are_those_of_the_published_network(width: int, stages: int, parameters: int) -> None:
    with torch.device("meta"):
        model = network(width, stages)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_window_with_constant_frames_is_carried_on_by_its_newest() -> None:
    model = network()
    nn.init.zeros_(model.estimator.head.weight)
    inputs = (torch.arange(4.0) / 10).view(1, 4, 1, 1, 1).expand(1, 4, 1, 16, 16)
    frames, flows = model.roll_out(inputs, 2)
    assert not flows.any()
    assert torch.equal(frames, inputs[:, -1:].expand(1, 2, 1, 16, 16))


def test_new_network_nearly_copies() -> None:
    assert network(16, 4).motion(clip(y=32, x=32)).abs().max() < 0.1


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (28, 28), (7, 20), (33, 64)])
def test_frames_of_any_size_move(size: tuple[int, int]) -> None:
    frames, flows = network(4, 5).roll_out(clip(y=size[0], x=size[1]), 2)
    assert frames.shape == (2, 2, 1, *size)
    assert flows.shape == (2, 2, 2, *size)
    assert frames.isfinite().all()


def test_roll_out_is_its_own_forecasts_fed_back() -> None:
    model, inputs = network(channels=3), clip(channels=3)
    frames, flows = model.roll_out(inputs, 3)
    state, frame = model.begin(inputs), inputs[:, -1]
    window = inputs
    for lead in range(3):
        assert torch.equal(flows[:, lead], model.motion(window))
        frame, state = model.step(frame, state)
        assert torch.equal(frames[:, lead], frame)
        window = torch.cat((window[:, 1:], frame[:, None]), 1)


def test_sequences_of_a_batch_do_not_meet() -> None:
    model, inputs = network(), clip(batch=3)
    together, _ = model.roll_out(inputs, 3)
    alone, _ = model.roll_out(inputs[1:2], 3)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-5)


def test_nothing_becomes_brighter_or_darker_than_it_was() -> None:
    model = network()
    nn.init.normal_(model.estimator.head.weight, generator=seeded())
    inputs = clip()
    frames, flows = model.roll_out(inputs, 4)
    assert flows.abs().max() > 1
    assert frames.min() >= inputs[:, -1].min()
    assert frames.max() <= inputs[:, -1].max()


def test_every_parameter_learns() -> None:
    model = network(4, 3)
    frames, _ = model.roll_out(clip(), 2)
    frames[:, 1].square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if not parameter.grad.any()] == []  # type: ignore[union-attr]


def test_error_at_a_later_time_reaches_the_motion_at_an_earlier() -> None:
    model, inputs = with_motion(0.4, -0.3), clip()
    first, state = model.step(inputs[:, -1], model.begin(inputs))
    first.retain_grad()
    second, _ = model.step(first, state)
    second.square().sum().backward()
    assert first.grad is not None
    assert first.grad.any()


def test_composed_flows_sample_the_last_real_frame_once() -> None:
    inputs = clip()
    sharp, _ = with_motion(0.5, 0, compose=True, sampling="bicubic").roll_out(inputs, 4)
    torch.testing.assert_close(sharp[:, 3, ..., 2:], inputs[:, -1, ..., :-2])
    blurred, _ = with_motion(0.5, 0, sampling="bicubic").roll_out(inputs, 4)
    torch.testing.assert_close(blurred[:, 0], sharp[:, 0])
    assert (blurred[:, 3, ..., 2:] - inputs[:, -1, ..., :-2]).abs().max() > 0.1


def test_composed_flows_ignore_what_others_did_to_the_frames_fed_back() -> None:
    model, inputs = with_motion(1, 0, compose=True), clip()
    _, state = model.step(inputs[:, -1], model.begin(inputs))
    second, _ = model.step(torch.zeros_like(inputs[:, -1]), state)
    torch.testing.assert_close(second[..., 2:], inputs[:, -1, ..., :-2])


@pytest.mark.parametrize("compose", [False, True])
def test_diffusion_adds_up_over_lead_times(compose: bool) -> None:
    inputs = clip(y=24, x=24)
    frames, flows = with_motion(1, -1, compose=compose, diffusion=0.5).roll_out(inputs, 3)
    at_once = warp_gaussian(inputs[:, -1], flows.sum(1), 3 * 0.5, padding="border")
    # Windows of 3 sigma cut off a little of each Gaussian.
    inner = slice(8, -8)
    torch.testing.assert_close(frames[:, 2, :, inner, inner], at_once[..., inner, inner], rtol=0, atol=0.01)


def test_without_diffusion_frames_are_warped_as_asked() -> None:
    inputs = clip()
    frames, flows = with_motion(2.5, 0.5, sampling="bicubic", padding="zeros").roll_out(inputs, 1)
    assert torch.equal(frames[:, 0], warp(inputs[:, -1], flows[:, 0], sampling="bicubic", padding="zeros"))


def test_motion_stays_in_float32_under_autocast() -> None:
    model, inputs = network(), clip()
    nn.init.normal_(model.estimator.head.weight, generator=seeded())
    with torch.autocast("cpu", torch.bfloat16):
        frames, flows = model.roll_out(inputs, 2)
    assert (frames.dtype, flows.dtype) == (torch.float32, torch.float32)
    assert not torch.equal(flows, flows.bfloat16().float())


@pytest.mark.slow
def test_speed_of_moving_blobs_is_learnt_from_frames_alone() -> None:
    speed = 1.4  # px/frame
    sequences = moving_blobs(8, 5, speed)
    model = network(16, 4)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(100):
        frames, flows = model.roll_out(sequences[:, :4], 1)
        optimiser.zero_grad()
        (frames - sequences[:, 4:]).square().mean().backward()
        optimiser.step()
    on_blobs = sequences[:, 4, 0] > 0.3
    assert flows[:, 0].square().sum(1).sqrt()[on_blobs].mean().item() == pytest.approx(speed, abs=0.3)
