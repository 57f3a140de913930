"""Given the true motion, kinematic experts render what datagen renders; they learn motion from frames alone."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from datagen import RenderSpec, render_sequences
from schemas.run import PROPERTIES
from trainer.models.blurring import WIDEST
from trainer.models.kinematic import (
    Intensity,
    Kinematic,
    KinematicIntensity,
    KinematicRotation,
    KinematicTranslation,
    Rotation,
    Translation,
    grown,
    rotated,
    translated,
)

SIZE, INPUTS, HORIZON = 48, 4, 6
LEADS = range(1, HORIZON + 1)
EDGES = 0.6
"""Squared error that resampling costs at the edges of an object, where shapes are sharper than pixels tell."""


def rendered(prop: str, ranges: dict[str, object], count: int = 6) -> tuple[Tensor, dict[str, Tensor]]:
    """Return noise-free (sequence, time, 1, y, x) frames of one object, and what it was drawn from."""
    fields = {"property": {"kind": prop, **ranges}, "height": SIZE, "width": SIZE, "frames": INPUTS + HORIZON}
    spec = RenderSpec.model_validate(
        {**fields, "dtype": "float32", "noise": {"ratio": 0}, "objects": {"count": [1, 1]}}
    )
    sequences = render_sequences(spec, 0, count)
    table = {
        name: torch.from_numpy(column[:, 0]).float() for name, column in sequences.parameters.items() if column.ndim > 1
    }
    return torch.from_numpy(sequences.frames)[:, :, None], table


def everywhere(values: Tensor) -> Tensor:
    """Spread (sequence, component) over a frame."""
    return values[:, :, None, None].expand(-1, -1, SIZE, SIZE)


def at_newest(table: dict[str, Tensor], velocity: str, acceleration: str) -> tuple[Tensor, Tensor]:
    time = INPUTS - 1
    v, a = table[velocity], table[acceleration]
    return v + a * time, a


def true_translation(table: dict[str, Tensor]) -> Translation:
    velocity, acceleration = at_newest(table, "velocity", "acceleration")
    return Translation(everywhere(velocity), everywhere(acceleration), torch.zeros(len(velocity), 2, SIZE, SIZE))


def true_rotation(table: dict[str, Tensor]) -> Rotation:
    velocity, acceleration = at_newest(table, "angular_velocity", "angular_acceleration")
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    pivot = table["position"] + table["pivot"] - 0.5
    arm = torch.stack((columns, rows)) - pivot[:, :, None, None]
    spread = torch.zeros(len(arm), 2, SIZE, SIZE)
    return Rotation(everywhere(velocity[:, None]), everywhere(acceleration[:, None]), arm, spread)


def error(forecast: Tensor, truth: Tensor) -> Tensor:
    """Return the squared error summed over a frame, by sequence."""
    return (forecast - truth).square().sum((1, 2, 3))


def in_view(frames: Tensor, margin: int = 4) -> Tensor:
    """Return which sequences have a black border all along."""
    border = frames.clone()
    border[..., margin:-margin, margin:-margin] = 0
    return border.flatten(1).amax(1) == 0


@pytest.mark.parametrize("acceleration", [0.0, 0.003])
def test_true_motion_forecasts_a_translation(acceleration: float) -> None:
    frames, table = rendered("translation", {"acceleration": [0, acceleration], "jerk": [0, 0]}, 24)
    newest, motion, seen = frames[:, INPUTS - 1], true_translation(table), in_view(frames)
    assert seen.sum() >= 4
    for lead in LEADS:
        truth = frames[:, INPUTS - 1 + lead]
        forecast, still = error(translated(newest, motion, lead), truth), error(newest, truth)
        assert forecast[seen].max() < EDGES
    assert forecast[seen].mean() < 0.05 * still[seen].mean()


def test_true_turning_forecasts_a_rotation() -> None:
    frames, table = rendered("rotation", {"angular_jerk": [0, 0]}, 24)
    newest, motion, seen = frames[:, INPUTS - 1], true_rotation(table), in_view(frames, 1)
    assert seen.sum() >= 4
    for lead in LEADS:
        truth = frames[:, INPUTS - 1 + lead]
        forecast, still = error(rotated(newest, motion, lead), truth), error(frames[:, INPUTS - 1], truth)
        assert forecast[seen].max() < EDGES
    assert forecast[seen].mean() < 0.05 * still[seen].mean()


def test_true_growth_forecasts_an_intensity() -> None:
    frames, table = rendered("intensity", {}, 64)
    newest = frames[:, INPUTS - 1]
    spread = torch.stack((table["kernel_sigma"].square().mean(1), torch.zeros(64)), 1)  # of a Gaussian step, isotropic
    motion = Intensity(everywhere(table["growth"].log()[:, None]), everywhere(spread))
    seen = in_view(frames) & (frames.flatten(1).amax(1) < 1)  # nothing is clipped
    assert seen.sum() >= 4
    for lead in (1, 3):
        truth = frames[:, INPUTS - 1 + lead]
        assert error(grown(newest, motion, lead), truth)[seen].mean() < 0.1 * error(newest, truth)[seen].mean()


def test_mass_grows_by_one_factor_in_every_frame() -> None:
    newest = torch.zeros(2, 1, 40, 40)
    newest[..., 16:24, 16:24] = torch.rand(2, 1, 8, 8)
    motion = Intensity(
        torch.full((2, 1, 40, 40), -0.1), torch.tensor([0.2, 0.01])[None, :, None, None].expand(2, 2, 40, 40)
    )
    for elapsed in (1, 2, 4):
        mass = grown(newest, motion, elapsed).sum((1, 2, 3))
        torch.testing.assert_close(mass, newest.sum((1, 2, 3)) * 0.904837418**elapsed)


def test_older_frames_are_turned_forward_by_the_estimate_before_it_is_corrected() -> None:
    frames, table = rendered("rotation", {"angular_jerk": [0, 0]}, 6)
    true, seen = true_rotation(table), list[Tensor]()
    maps = torch.cat((true.velocity / 0.5, true.acceleration / 0.05, true.arm / 4, torch.zeros(6, 2, SIZE, SIZE)), 1)

    class Told(nn.Module):
        """Tell the truth first, and then that nothing is to be corrected."""

        def forward(self, inputs: Tensor) -> Tensor:
            seen.append(inputs)
            return maps if len(seen) == 1 else torch.zeros_like(maps)

    expert = KinematicRotation(channels=(2, 2), input_frames=INPUTS)
    expert.estimator = Told()  # type: ignore[assignment]
    torch.testing.assert_close(expert.estimate(frames[:, :INPUTS]).arm, true.arm)
    newest = frames[:, INPUTS - 1]
    for turned in seen[1:]:
        assert (turned[:, :INPUTS] - newest).square().sum() < 0.1 * (seen[0][:, :INPUTS] - newest).square().sum()


def test_translation_conserves_mass_however_uncertain_the_place() -> None:
    newest = torch.zeros(2, 1, 40, 40)
    newest[..., 16:24, 16:24] = torch.rand(2, 1, 8, 8)
    motion = Translation(torch.randn(2, 2, 40, 40), torch.zeros(2, 2, 40, 40), torch.rand(2, 2, 40, 40))
    torch.testing.assert_close(translated(newest, motion, 2).sum((1, 2, 3)), newest.sum((1, 2, 3)))


def test_without_spread_and_motion_a_frame_stays_as_it_is() -> None:
    newest, nothing = torch.rand(2, 1, 12, 16), torch.zeros(2, 2, 12, 16)
    torch.testing.assert_close(translated(newest, Translation(nothing, nothing, nothing), 3), newest)
    still = Rotation(nothing[:, :1], nothing[:, :1], torch.rand(2, 2, 12, 16), nothing)
    torch.testing.assert_close(rotated(newest, still, 3), newest)
    torch.testing.assert_close(grown(newest, Intensity(nothing[:, :1], nothing), 3), newest)


@pytest.mark.parametrize("spread", [(WIDEST / 4, 0.0), (0.0, WIDEST / 16)])
def test_the_variance_of_a_place_grows_with_time(spread: tuple[float, float]) -> None:
    newest = torch.zeros(1, 1, 41, 41)
    newest[..., 20, 20] = 1
    nothing = torch.zeros(1, 2, 41, 41)
    motion = Translation(nothing, nothing, torch.tensor(spread)[None, :, None, None].expand_as(nothing))
    distance = torch.arange(41) - 20
    for elapsed in (1, 2, 4):
        moved = translated(newest, motion, elapsed)
        variance = (moved.sum((0, 1, 2)) * distance**2).sum()
        assert variance == pytest.approx(spread[0] * elapsed + spread[1] * elapsed**2, rel=0.04)


def experts() -> list[Kinematic]:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"channels": (4, 4, 6), "input_frames": INPUTS}
    return [KinematicTranslation(**sizes), KinematicRotation(**sizes), KinematicIntensity(**sizes)]


@pytest.mark.parametrize("expert", experts(), ids=lambda expert: type(expert).__name__)
def test_a_new_expert_repeats_the_newest_frame_nearly(expert: Kinematic) -> None:
    inputs = torch.rand(2, INPUTS, 1, 16, 16)
    forecast, _ = expert.step(inputs[:, -1], expert.begin(inputs))
    assert (forecast - inputs[:, -1]).abs().mean() < 0.02


@pytest.mark.parametrize("expert", experts(), ids=lambda expert: type(expert).__name__)
def test_an_expert_looks_at_the_real_frames_alone(expert: Kinematic) -> None:
    inputs = torch.rand(2, INPUTS, 1, 16, 16)
    state = expert.begin(inputs)
    first, after = expert.step(inputs[:, -1], state)
    again, same = expert.step(torch.rand(2, 1, 16, 16), state)
    assert torch.equal(first, again)
    assert torch.equal(expert.step(first, after)[0], expert.step(inputs[:, 0], same)[0])


@pytest.mark.parametrize("expert", experts(), ids=lambda expert: type(expert).__name__)
def test_every_parameter_has_a_gradient(expert: Kinematic) -> None:
    inputs = torch.rand(2, INPUTS, 1, 16, 16)
    state = expert.begin(inputs)
    for _ in range(2):
        forecast, state = expert.step(inputs[:, -1], state)
    forecast.square().sum().backward()
    without = [name for name, parameter in expert.named_parameters() if not parameter.grad.abs().sum()]  # type: ignore[union-attr]
    assert without == []


@pytest.mark.parametrize(
    ("forecast", "maps"),
    [
        (lambda image, a, b, c: translated(image, Translation(a, b, c.square()), 2), (2, 2, 2)),
        (lambda image, a, b, c: rotated(image, Rotation(a[:, :1], a[:, 1:], b, c.square()), 2), (2, 2, 2)),
        (lambda image, a, b: grown(image, Intensity(a, b.square()), 2), (1, 2)),
    ],
    ids=["translation", "rotation", "intensity"],
)
def test_gradients_are_true(forecast: Callable[..., Tensor], maps: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 6, 6, dtype=torch.float64, generator=generator).requires_grad_()
    motion = [0.4 * torch.rand(1, size, 6, 6, dtype=torch.float64, generator=generator) for size in maps]
    assert torch.autograd.gradcheck(forecast, (image, *(one.requires_grad_() for one in motion)))


@pytest.mark.slow
@pytest.mark.parametrize(("expert", "prop"), list(zip(experts(), PROPERTIES, strict=True)))
def test_motion_is_learnt_from_frames_alone(expert: Kinematic, prop: str) -> None:
    frames, _ = rendered(prop, {}, 8)
    optimiser = torch.optim.Adam(expert.parameters(), 5e-3)
    inputs, truth = frames[:, :INPUTS], frames[:, INPUTS:]
    for _ in range(60):
        state, forecasts = expert.begin(inputs), []
        for _lead in range(3):
            forecast, state = expert.step(inputs[:, -1], state)
            forecasts.append(forecast)
        loss = (torch.stack(forecasts, 1) - truth[:, :3]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.6 * (inputs[:, -1:] - truth[:, :3]).square().mean()
