"""What each phase minimises, against its definition written out."""

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from schemas.run import RunConfig
from tests.trainer.tiny import PROPERTIES, phase_of, tiny_config
from trainer.models.addl import ADDL
from trainer.models.kinematic import KinematicRotation, KinematicTranslation, translated
from trainer.models.mim import MIM
from trainer.training.draws import Draws, draw
from trainer.training.losses import charbonnier, entropy, flow_regulariser, robust_loss
from trainer.training.networks import network_of, trainable
from trainer.training.objectives import TURNING_WEIGHT, Trainee, as_fractions, probability_of_truth

STORES = {name: f"{name}.zarr" for name in (*PROPERTIES, "real")}
INPUTS, HORIZON, BATCH = 2, 3, 2


def config_of(kind: str = "stmoe-id", **changes: Any) -> RunConfig:
    return tiny_config(STORES, kind, **changes).model_copy(
        update={"data": tiny_config(STORES).data.model_copy(update={"input_frames": INPUTS, "horizon": HORIZON})}
    )


def clips() -> Tensor:
    return torch.rand(BATCH, INPUTS + HORIZON, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def draws(done: float = 0.0) -> Draws:
    return replace(draw(0, "any", 0, steps=1, batch=BATCH, frames=INPUTS + HORIZON), done=torch.tensor(float(done)))


def trainee(config: RunConfig, phase: str) -> Trainee:
    found = phase_of(config, phase)
    network = network_of(config, found)
    trainable(network, found)
    for parameter in network.parameters():  # away from where forecasts are nearly copies
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
    return Trainee(network, config, found)


@pytest.mark.parametrize(
    ("done", "share", "probability"),
    [(0, 0.6, 1), (0.3, 0.6, 0.5), (0.6, 0.6, 0), (0.9, 0.6, 0), (0, 0, 0), (0.5, 1, 0.5)],
)
def test_true_frames_are_fed_ever_less(done: float, share: float, probability: float) -> None:
    assert float(probability_of_truth(torch.tensor(float(done)), share)) == pytest.approx(probability)


@pytest.mark.parametrize("kind", ["stmoe-id", "stmoe-conv"])
def test_at_first_a_local_phase_is_fed_the_truth(kind: str) -> None:
    taught = trainee(config_of(kind), "expert-rotation")
    expert = cast(MIM, taught.network.experts["rotation"])
    loss, terms = taught(clips(), draws(0))
    predictions = expert.unroll(clips(), decode=taught.network.decoder)
    assert predictions.shape == clips()[:, 1:].shape
    assert torch.equal(loss, mse_loss(predictions, clips()[:, 1:]))
    assert torch.equal(terms["reconstruction"], loss)


def test_at_last_a_local_phase_is_fed_what_it_forecast() -> None:
    taught = trainee(config_of(), "expert-rotation")
    loss, _ = taught(clips(), draws(0.6))
    frames = taught.network(clips()[:, :INPUTS], HORIZON).frames
    first = cast(MIM, taught.network.experts["rotation"]).unroll(clips()[:, :INPUTS])
    torch.testing.assert_close(loss, mse_loss(torch.cat([first, frames], 1), clips()[:, 1:]))


def test_between_each_sequence_is_fed_as_it_was_drawn() -> None:
    taught = trainee(config_of(), "expert-rotation")
    drawn = replace(draws(0.3), feed_truth=torch.tensor([[0.0] * 5, [0.99] * 5]))  # probability 0.5: all, none
    between, _ = taught(clips(), drawn)
    alone = [
        taught(clips()[i : i + 1], replace(draws(done), feed_truth=drawn.feed_truth[i : i + 1]))[0]
        for i, done in enumerate((0.0, 0.6))
    ]
    torch.testing.assert_close(between, torch.stack(alone).mean())


def test_advection_is_judged_by_its_forecast_and_its_flow() -> None:
    config = config_of(model={"addl": {"divergence": 0.1, "gradient": 0.2, "magnitude": 0.3}})
    taught = trainee(config, "expert-translation")
    loss, terms = taught(clips(), draws())
    frames, flows = cast(ADDL, taught.network.experts["translation"]).roll_out(clips()[:, :INPUTS], HORIZON)
    of_frames = charbonnier(frames - clips()[:, INPUTS:]).mean()
    of_flow = flow_regulariser(flows.flatten(0, 1), divergence=0.1, gradient=0.2, magnitude=0.3)
    assert terms.keys() == {"reconstruction", "flow"}
    torch.testing.assert_close(loss, of_frames + of_flow)


def truth() -> dict[str, Tensor]:
    """Return two objects in each clip, of which the left one turns about the middle and the right one rests."""
    generator = torch.Generator().manual_seed(3)
    mask = torch.ones(BATCH, INPUTS + HORIZON, 8, 8, dtype=torch.uint8)
    mask[..., 4:], mask[..., 0, :] = 2, 0
    zeros = torch.zeros(BATCH, 2, dtype=torch.float64)
    return {
        "clean": torch.rand(BATCH, INPUTS + HORIZON, 8, 8, generator=generator),
        "mask": mask,
        "position": torch.full((BATCH, 2, 2), 4.0, dtype=torch.float64),
        "pivot": torch.zeros(BATCH, 2, 2, dtype=torch.float64),
        "angular_velocity": zeros + torch.tensor([0.25, 0]),
        "angular_acceleration": zeros,
        "angular_jerk": zeros,
    }


@pytest.mark.parametrize(("noise", "share"), [(0.0, 0.0), (0.25, 0.0), (0.625, 0.5)])
def test_kinematics_move_the_clean_frame_by_what_noisy_ones_tell(noise: float, share: float) -> None:
    taught = trainee(config_of("stmoe-kinematic"), "expert-translation")
    clean = truth()["clean"][:, :, None]
    loss, terms = taught(clips(), replace(draws(), noise=torch.full((BATCH,), noise)), truth())
    seen = (1 - share) * clean + share * clips()
    expert = cast(KinematicTranslation, taught.network.experts["translation"])
    motion = expert.estimate(seen[:, :INPUTS])
    forecast = torch.stack([translated(clean[:, INPUTS - 1], motion, lead + 1) for lead in range(HORIZON)], 1)
    torch.testing.assert_close(loss, mse_loss(forecast, clean[:, INPUTS:]))
    assert terms.keys() == {"reconstruction"}


def test_wrong_turning_costs_on_objects_alone() -> None:
    taught = trainee(config_of("stmoe-kinematic"), "expert-rotation")
    estimator = cast(KinematicRotation, taught.network.experts["rotation"]).estimator
    for parameter in estimator.parameters():
        parameter.data.zero_()  # nothing turns, and every arm is 0
    loss, terms = taught(clips(), draws(), truth())
    columns, rows = torch.meshgrid(torch.arange(8), torch.arange(1, 8), indexing="xy")
    arms = ((columns - 3.5) ** 2 + (rows - 3.5) ** 2).mean() / 4**2
    torch.testing.assert_close(terms["turning"], 0.25**2 / 0.5**2 / 2 + arms)
    torch.testing.assert_close(loss, terms["reconstruction"] + TURNING_WEIGHT * terms["turning"])


LOSS = {
    "reconstruction": {"alpha": 1, "c": 0.3},
    "regularisers": {"alpha": 0, "c": 0.2},
    "entropy": 0.5,
    "smoothness": 0.7,
    "magnitude": 0.9,
}


@pytest.mark.parametrize(("done", "ramp"), [(0, 0), (0.15, 0.5), (0.3, 1), (0.9, 1)])
def test_global_phases_minimise_equation_8_with_a_rising_entropy(done: float, ramp: float) -> None:
    taught = trainee(config_of(loss=LOSS), "joint")
    loss, _ = taught(clips(), draws(done))
    forecast = taught.network(clips()[:, :INPUTS], HORIZON)
    weights = forecast.log_weights.exp()
    terms = (
        robust_loss(forecast.frames - clips()[:, INPUTS:], 1, 0.3),
        ramp * 0.5 * robust_loss(entropy(forecast.log_weights), 0, 0.2),
        0.7 * robust_loss(weights[:, 1:] - weights[:, :-1], 0, 0.2),
        0.9 * robust_loss(weights, 0, 0.2),
    )
    torch.testing.assert_close(loss, torch.stack([term.mean() for term in terms]).sum())


@pytest.mark.parametrize("attention", ["none", "mean"])
def test_weights_that_nothing_learns_are_not_punished(attention: str) -> None:
    taught = trainee(config_of(loss=LOSS, model={"attention": attention}), "joint")
    loss, terms = taught(clips(), draws(1))
    assert torch.equal(loss.detach(), terms["reconstruction"])


def gradients(config: RunConfig, phase: str) -> dict[str, Tensor]:
    taught = trainee(config, phase)
    taught(clips(), draws(1))[0].backward()
    return {name: parameter.grad for name, parameter in taught.network.named_parameters() if parameter.grad is not None}


def test_gates_learn_with_experts_frozen_and_feedback_cut_where_asked() -> None:
    cut, whole = (gradients(config_of(schedule={"detach_feedback": value}), "gates") for value in (True, False))
    assert cut.keys() == whole.keys()
    assert {name.split(".")[0] for name in cut} == {"gate"}
    assert any(not torch.allclose(cut[name], whole[name]) for name in cut)


def test_the_whole_network_learns_through_what_is_fed_back() -> None:
    cut, whole = (gradients(config_of(schedule={"detach_feedback": value}), "joint") for value in (True, False))
    assert all(torch.equal(cut[name], whole[name]) for name in whole)


def test_stored_frames_become_fractions_with_a_channel() -> None:
    stored = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    assert torch.equal(as_fractions(stored), torch.tensor([0, 0.2, 1]).view(1, 1, 1, 1, 3))
    for dtype in (torch.float16, torch.float32):
        assert as_fractions(torch.full((2, 3, 4, 5), 0.5, dtype=dtype)).shape == (2, 3, 1, 4, 5)
        assert as_fractions(torch.full((2, 3, 4, 5), 0.5, dtype=dtype)).dtype == torch.float32
        assert as_fractions(torch.full((2, 3, 4, 5), 0.5, dtype=dtype)).unique().tolist() == [0.5]
