"""What a phase minimises: one module from a batch to a loss and its named terms, so that processes can share it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, cast

import torch
from torch import Tensor, nn

from schemas.real_store import VALID
from schemas.run import Addl, Loss, RunConfig
from trainer.models.addl import ADDL
from trainer.models.kinematic import Kinematic, Rotation
from trainer.models.mim import MIM
from trainer.models.stmoe import STMoE
from trainer.training.draws import Draws
from trainer.training.losses import charbonnier, flow_regulariser, global_loss
from trainer.training.phases import Phase
from trainer.training.truth import CLEAN, Turning, turning

ENTROPY_RAMP = 0.3
"""Share of a phase in which the weight of the entropy rises from 0: early on its gradient would shrink all gates."""

WITHOUT_NOISE: Final = 0.25
"""Share of sequences from whose clean frames motion is estimated; of the others all ratios up to the store's occur."""
TURNING_WEIGHT: Final = 0.01
"""Of wrong turning, in units of squared intensity."""

NOTHING: Final[Mapping[str, Tensor]] = MappingProxyType({})


class Trainee(nn.Module):
    """
    The network of a phase with its objective.

    Parameters
    ----------
    network : of the phase
    config : of the run
    phase : says which objective
    """

    def __init__(self, network: STMoE, config: RunConfig, phase: Phase) -> None:
        super().__init__()
        self.network = network
        self._config, self._phase = config, phase

    def forward(
        self, frames: Tensor, draws: Draws, truth: Mapping[str, Tensor] = NOTHING
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """
        Return the loss of a batch, and its terms by name.

        Parameters
        ----------
        frames : (batch, time, channel, y, x) in [0, 1], l input frames and n to forecast
        draws : random choices of this step
        truth : the phase's further arrays, (batch, ...) as stored; but `valid` as frames, bool
        """
        data, schedule = self._config.data, self._config.schedule
        match self._phase.objective:
            case "one-step":
                return _one_step(self.network, frames, draws, data.input_frames, schedule.teacher_forcing)
            case "advection":
                return _advection(self.network, frames, data.input_frames, self._config.model.addl)
            case "kinematics":
                return _kinematics(self.network, frames, draws, truth, data.input_frames)
            case "forecast":
                detach = schedule.detach_feedback and self._phase.stage == "gates"
                return _forecast(
                    self.network, frames, draws, data.input_frames, self._config.loss, truth.get(VALID), detach=detach
                )


def probability_of_truth(done: Tensor, share: float) -> Tensor:
    """Return with what probability a true frame is fed: from 1 down to 0 over a share of the phase."""
    return (1 - done / share).clamp(min=0) if share else torch.zeros_like(done)


def _one_step(
    network: STMoE, frames: Tensor, draws: Draws, inputs: int, share: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean squared error of all T - 1 predictions, each fed a true frame or the one predicted (scheduled sampling)."""
    expert = cast("MIM", _only_expert(network))
    truth = draws.feed_truth < probability_of_truth(draws.done, share)

    def fed(step: int, true: Tensor, predicted: Tensor) -> Tensor:
        return true if step < inputs else torch.where(truth[:, step, None, None, None], true, predicted)

    predictions = expert.unroll(frames, fed=fed, decode=network.decoder)
    loss = (predictions.float() - frames[:, 1:]).square().mean()
    return loss, {"reconstruction": loss}


def _advection(network: STMoE, frames: Tensor, inputs: int, addl: Addl) -> tuple[Tensor, dict[str, Tensor]]:
    """Charbonnier error of a free-running forecast, and the regularisers of its flow (models.md 2.6.4)."""
    expert = cast("ADDL", _only_expert(network))
    predictions, flows = expert.roll_out(frames[:, :inputs], frames.shape[1] - inputs)
    reconstruction = charbonnier(predictions.float() - frames[:, inputs:]).mean()
    smoothness = flow_regulariser(
        flows.float().flatten(0, 1), divergence=addl.divergence, gradient=addl.gradient, magnitude=addl.magnitude
    )
    return reconstruction + smoothness, {"reconstruction": reconstruction, "flow": smoothness}


def _kinematics(
    network: STMoE, frames: Tensor, draws: Draws, truth: Mapping[str, Tensor], inputs: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """
    Squared error of the clean newest frame moved on by what more or less noisy frames tell; and of how things turn.

    The network is to find motion under noise, not to guess what noise hides.
    """
    expert = cast("Kinematic", _only_expert(network))
    clean = as_fractions(truth[CLEAN])
    share = ((draws.noise - WITHOUT_NOISE) / (1 - WITHOUT_NOISE)).clamp(min=0)[:, None, None, None, None]
    seen = torch.lerp(clean[:, :inputs], frames[:, :inputs], share)
    forecast, motion = expert.forecast(seen, clean[:, inputs - 1], frames.shape[1] - inputs)
    reconstruction = (forecast - clean[:, inputs:]).square().mean()
    if not isinstance(motion, Rotation):
        return reconstruction, {"reconstruction": reconstruction}
    wrong = _wrong_turning(motion, turning(truth, inputs - 1))
    return reconstruction + TURNING_WEIGHT * wrong, {"reconstruction": reconstruction, "turning": wrong}


def _wrong_turning(motion: Rotation, true: Turning) -> Tensor:
    """Return the squared error of an estimate on objects, each part in its usual size."""
    velocity = (motion.velocity - true.velocity) / 0.5
    acceleration = (motion.acceleration - true.acceleration) / 0.05
    arm = (motion.arm - true.arm) / 4
    error = velocity.square() + 0.3 * acceleration.square() + arm.square().sum(1, keepdim=True)
    return (error * true.known).sum() / true.known.sum().clamp(min=1)


def _forecast(
    network: STMoE, frames: Tensor, draws: Draws, inputs: int, loss: Loss, valid: Tensor | None, *, detach: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Equation 8 on a free-running forecast, where there are data; weights that nothing learns are not regularised."""
    forecast = network(frames[:, :inputs], frames.shape[1] - inputs, detach_feedback=detach)
    ramp = (draws.done / ENTROPY_RAMP).clamp(max=1)
    learns = any(parameter.requires_grad for parameter in network.gate.parameters())
    return global_loss(
        forecast,
        frames[:, inputs:],
        alpha=loss.reconstruction.alpha,
        c=loss.reconstruction.c,
        regulariser_alpha=loss.regularisers.alpha,
        regulariser_c=loss.regularisers.c,
        entropy_weight=loss.entropy * ramp * learns,
        smoothness_weight=loss.smoothness * learns,
        magnitude_weight=loss.magnitude * learns,
        valid=None if valid is None else valid[:, inputs:],
    )


def _only_expert(network: STMoE) -> nn.Module:
    (expert,) = network.experts.values()
    return expert


def as_fractions(frames: Tensor) -> Tensor:
    """Return stored (batch, time, y, x) frames, as (batch, time, channel, y, x) float32, full scale 1."""
    scale = 255.0 if frames.dtype == torch.uint8 else 1.0
    return (frames.float() / scale).unsqueeze(2)
