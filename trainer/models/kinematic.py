"""Kinematic experts: a network estimates the motion once, from the real frames; the laws of motion do the rest."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from trainer.models.blurring import DEVIATIONS, blurred, copies, shares
from trainer.models.estimator import Estimator
from trainer.models.splatting import splat
from trainer.models.warping import warp

MOTION: Final = 4
"""Maps of an estimator that say how things move; two more say how sure that is."""
CERTAIN: Final = 3.0
"""What is taken off the maps of uncertainty: a new network is nearly sure, and its forecasts are sharp."""
PASSES: Final = 2
"""Corrections of an estimate of turning."""


class Translation(NamedTuple):
    """
    Motion of every pixel of the newest real frame.

    velocity : (batch, 2, y, x), px/frame, to the right and downwards, at that frame
    acceleration : (batch, 2, y, x), px/frame^2
    spread : (batch, 2, y, x), growth of the variance of the place, px^2/frame and px^2/frame^2
    """

    velocity: Tensor
    acceleration: Tensor
    spread: Tensor


class Rotation(NamedTuple):
    """
    Turning of every pixel about its pivot.

    velocity : (batch, 1, y, x), rad/frame, clockwise on screen, at the newest real frame
    acceleration : (batch, 1, y, x), rad/frame^2
    arm : (batch, 2, y, x), px, from the pivot to the pixel
    spread : (batch, 2, y, x), as of `Translation`
    """

    velocity: Tensor
    acceleration: Tensor
    arm: Tensor
    spread: Tensor


class Intensity(NamedTuple):
    """
    Growth of every pixel of a forecast.

    growth : (batch, 1, y, x), 1/frame, logarithm of the factor; negative where things decay
    spread : (batch, 2, y, x), as of `Translation`
    """

    growth: Tensor
    spread: Tensor


Motion = Translation | Rotation | Intensity


class KinematicState(NamedTuple):
    """
    What is carried from step to step.

    motion : as estimated from the real frames
    newest : (batch, 1, y, x), the last of them
    elapsed : frames since then
    """

    motion: Motion
    newest: Tensor
    elapsed: int = 0


class Kinematic(nn.Module, ABC):
    """
    An expert that estimates motion once, from the real frames, and moves the newest of them on by it.

    Only that frame is resampled, once for each forecast: so errors of forecasts are not estimated from, and nothing is
    blurred again and again.

    Parameters
    ----------
    channels : of the estimator at each size
    inputs : of the estimator, channels
    outputs : of the estimator: maps of motion, and two of uncertainty
    """

    def __init__(self, *, channels: Sequence[int], inputs: int, outputs: int = MOTION + 2) -> None:
        super().__init__()
        self.estimator = Estimator(channels=channels, inputs=inputs, outputs=outputs)

    @abstractmethod
    def estimate(self, inputs: Tensor) -> Motion:
        """
        Estimate the motion at the newest of some frames.

        Parameters
        ----------
        inputs : (batch, time, 1, y, x), l frames, oldest first
        """

    def begin(self, inputs: Tensor) -> KinematicState:
        """
        Estimate the motion.

        Parameters
        ----------
        inputs : (batch, time, 1, y, x), the l input frames
        """
        return KinematicState(self.estimate(inputs), inputs[:, -1])

    def step(self, frame: Tensor, state: KinematicState) -> tuple[Tensor, KinematicState]:
        """
        Forecast the next frame.

        Parameters
        ----------
        frame : (batch, 1, y, x), the newest; not looked at
        state : of `begin` or of the step before

        Returns
        -------
        forecast : (batch, 1, y, x)
        state : for the next step
        """
        elapsed = state.elapsed + 1
        return moved(state.newest, state.motion, elapsed), state._replace(elapsed=elapsed)

    def forecast(self, inputs: Tensor, newest: Tensor, horizon: int) -> tuple[Tensor, Motion]:
        """
        Estimate the motion from some frames, and move another on by it: the clean twin of the newest, in training.

        Parameters
        ----------
        inputs : (batch, time, 1, y, x), the l input frames
        newest : (batch, 1, y, x), at the time of the newest of them
        horizon : n, >= 1

        Returns
        -------
        frames : (batch, n, 1, y, x)
        motion : as estimated
        """
        motion = self.estimate(inputs)
        return torch.stack([moved(newest, motion, lead + 1) for lead in range(horizon)], 1), motion


class KinematicTranslation(Kinematic):
    """
    Move things on: a kinematic expert for translation.

    Every pixel x of the newest real frame Y has a velocity v and an acceleration a (paper, section 3.2)::

        d_s(x) = v(x) s + a(x) s^2 / 2
        Yhat_s(y) = sum_x Y(x) k(y - x - d_s(x); V_s(x))

    What meets at y adds up (`splat`), so inside the frame no mass is lost or made. The kernel k is the wider the larger
    the variance of the place, `V_s = 0.1 softplus(u) s + 0.05 softplus(u') s^2`: squared error punishes what is sharp
    at a wrong place more than what spreads over where it may be.

    Parameters
    ----------
    channels : of the estimator
    input_frames : l, >= 2
    """

    def __init__(self, *, channels: Sequence[int], input_frames: int) -> None:
        super().__init__(channels=channels, inputs=2 * input_frames - 1)

    def estimate(self, inputs: Tensor) -> Translation:
        """
        Estimate the motion at the newest of some frames.

        Parameters
        ----------
        inputs : (batch, time, 1, y, x), l frames, oldest first
        """
        maps = self.estimator(_with_differences(inputs[:, :, 0]))
        return Translation(2.0 * maps[:, 0:2], 0.2 * maps[:, 2:4], _spread(maps[:, MOTION:]))


class KinematicRotation(Kinematic):
    """
    Turn things on: a kinematic expert for rotation.

    Every pixel x of a forecast turns about a pivot x - r, with angular velocity w and acceleration b (section 3.2)::

        t_s = w s + b s^2 / 2
        Yhat_s(x) = Y(x - r + R(-t_s) r)

    with Y the newest real frame, sampled bicubically between pixels, from a copy that is the more blurred the larger
    the variance of the place (as for translation, V_s).

    An estimate is corrected twice: the older frames are turned forward by it to the newest, and the same network sees
    what differs still, with the estimate beside.

    Parameters
    ----------
    channels : of the estimator
    input_frames : l, >= 2
    """

    def __init__(self, *, channels: Sequence[int], input_frames: int) -> None:
        super().__init__(channels=channels, inputs=2 * input_frames - 1 + MOTION)

    def estimate(self, inputs: Tensor) -> Rotation:
        """
        Estimate the turning at the newest of some frames.

        Parameters
        ----------
        inputs : (batch, time, 1, y, x), l frames, oldest first
        """
        frames = inputs[:, :, 0]
        known = frames.new_zeros(len(frames), MOTION, *frames.shape[-2:])
        maps = self.estimator(torch.cat((_with_differences(frames), known), 1))
        for _ in range(PASSES):
            with torch.no_grad():
                turned = _turned_forward(frames, _rotation(maps))
            seen = torch.cat((_with_differences(turned), maps[:, :MOTION].detach()), 1)
            maps = maps + self.estimator(seen)
        return _rotation(maps)


class KinematicIntensity(Kinematic):
    """
    Let things grow and decay: a kinematic expert for intensity.

    Every pixel x of a forecast has a growth g; what is there spreads, as by a convolution at every step (section 3.2)::

        Yhat_s(x) = exp(g(x) s) (k(V_s(x)) * Y)(x)

    with Y the newest real frame and k a Gaussian of the variance V_s (as for translation).

    Parameters
    ----------
    channels : of the estimator
    input_frames : l, >= 2
    """

    def __init__(self, *, channels: Sequence[int], input_frames: int) -> None:
        super().__init__(channels=channels, inputs=2 * input_frames - 1, outputs=3)

    def estimate(self, inputs: Tensor) -> Intensity:
        """
        Estimate the growth at the newest of some frames.

        Parameters
        ----------
        inputs : (batch, time, 1, y, x), l frames, oldest first
        """
        maps = self.estimator(_with_differences(inputs[:, :, 0]))
        return Intensity(0.2 * maps[:, :1], _spread(maps[:, 1:]))


def moved(newest: Tensor, motion: Motion, elapsed: float) -> Tensor:
    """Move, turn or grow a frame on; as `translated`, `rotated` and `grown`."""
    match motion:
        case Translation():
            return translated(newest, motion, elapsed)
        case Rotation():
            return rotated(newest, motion, elapsed)
        case Intensity():
            return grown(newest, motion, elapsed)


def grown(newest: Tensor, motion: Intensity, elapsed: float) -> Tensor:
    """
    Let a frame grow or decay.

    Parameters
    ----------
    newest : (batch, 1, y, x)
    motion : at that frame
    elapsed : s, frames

    Returns
    -------
    (batch, 1, y, x)
    """
    spread = (copies(newest) * shares(_variance(motion.spread, elapsed))).sum(1, keepdim=True)
    return spread * (motion.growth * elapsed).exp()


def translated(newest: Tensor, motion: Translation, elapsed: float) -> Tensor:
    """
    Move a frame on.

    Parameters
    ----------
    newest : (batch, 1, y, x)
    motion : at that frame
    elapsed : s, frames

    Returns
    -------
    (batch, 1, y, x)
    """
    displacement = motion.velocity * elapsed + motion.acceleration * (elapsed**2 / 2)
    masses = splat(newest * shares(_variance(motion.spread, elapsed)), displacement)
    parts = [
        blurred(mass, deviation, mass=True)
        for mass, deviation in zip(masses.chunk(len(DEVIATIONS), 1), DEVIATIONS, strict=True)
    ]
    return torch.stack(parts).sum(0)


def rotated(newest: Tensor, motion: Rotation, elapsed: float) -> Tensor:
    """
    Turn a frame on.

    Parameters
    ----------
    newest : (batch, 1, y, x)
    motion : at that frame
    elapsed : s, frames

    Returns
    -------
    (batch, 1, y, x)
    """
    sampled = _sampled(copies(newest), _turned(motion.arm, -_angle(motion, elapsed)))
    return (sampled * shares(_variance(motion.spread, elapsed))).sum(1, keepdim=True)


def _rotation(maps: Tensor) -> Rotation:
    return Rotation(0.5 * maps[:, 0:1], 0.05 * maps[:, 1:2], 4.0 * maps[:, 2:4], _spread(maps[:, MOTION:]))


def _spread(maps: Tensor) -> Tensor:
    growth = softplus(maps - CERTAIN)
    return torch.cat((0.1 * growth[:, :1], 0.05 * growth[:, 1:]), 1)


def _variance(spread: Tensor, elapsed: float) -> Tensor:
    """Return the variance of the place, (batch, 1, y, x), px^2."""
    return spread[:, :1] * elapsed + spread[:, 1:] * elapsed**2


def _with_differences(frames: Tensor) -> Tensor:
    """Append to (batch, time, y, x) frames what changes from each to the next."""
    return torch.cat((frames, frames.diff(dim=1)), 1)


def _angle(motion: Rotation, elapsed: float) -> Tensor:
    return motion.velocity * elapsed + motion.acceleration * (elapsed**2 / 2)


def _turned(arm: Tensor, angle: Tensor) -> Tensor:
    """Return how far the end of an arm, (batch, 2, y, x) px, moves as it turns clockwise: R(angle) r - r."""
    cosine, sine = angle.cos() - 1, angle.sin()
    x, y = arm[:, :1], arm[:, 1:]
    return torch.cat((cosine * x - sine * y, sine * x + cosine * y), 1)


def _turned_forward(frames: Tensor, motion: Rotation) -> Tensor:
    """Turn (batch, time, y, x) frames forward in time to the newest, which stays as it is."""
    times = range(1 - frames.shape[1], 0)
    turned = [_sampled(frames[:, time - 1, None], _turned(motion.arm, _angle(motion, time))) for time in times]
    return torch.cat((*turned, frames[:, -1:]), 1)


def _sampled(image: Tensor, offsets: Tensor) -> Tensor:
    """Sample (batch, channel, y, x) images beside each pixel, by (batch, 2, y, x) px."""
    return warp(image, -offsets, sampling="bicubic", padding="border")
