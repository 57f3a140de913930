"""ADDL: a network estimates the motion of the last frames; advection and diffusion carry the newest one on."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainer.models.unet import UNet
from trainer.models.warping import Padding, Sampling, compose_flows, warp, warp_gaussian


class ADDLState(NamedTuple):
    """
    What ADDL carries from step to step.

    frames : (batch, time, channel, y, x), all but the newest of the window
    origin : (batch, channel, y, x), the last real frame; None before the first step, and unless flows are composed
    displacement : (batch, 2, y, x), px since the last real frame; None as above
    elapsed : frames since the last real one
    """

    frames: Tensor
    origin: Tensor | None = None
    displacement: Tensor | None = None
    elapsed: int = 0


class ADDL(nn.Module):
    """
    Advection-diffusion expert (de Bezenac et al., Deep learning for physical processes, 2018).

    Advection and diffusion, `dI/dt + (w . grad) I = D lap(I)`, are solved for one frame by a Gaussian about where each
    pixel comes from; the motion w is estimated from the window of the last frames (a `UNet`)::

        w_t = estimator(Y_{t-l} .. Y_{t-1})
        Yhat_t(x) = sum_y k(x - w_t(x), y) Y_{t-1}(y)        k(u, v) = exp(-|u - v|^2 / 4D) / (4 pi D)

    For D = 0 that is `Y_{t-1}(x - w_t(x))`. It moves pixels and can neither create nor fade them.

    With composed flows only the last real frame is sampled, once for each forecast, along the motion since then::

        W_t(x) = w_t(x)        W_{t+s}(x) = w_{t+s}(x) + W_{t+s-1}(x - w_{t+s}(x))
        Yhat_{t+s}(x) = Y_{t-1}(x - W_{t+s}(x))

    which keeps it sharp; what other experts changed in the frames fed back tells of motion, but is not moved itself.

    Parameters
    ----------
    width, stages : size of the estimator
    input_frames : l, frames in the window, >= 2
    channels : of a frame
    diffusion : D, px^2/frame, >= 0
    sampling : of frames where D is 0
    padding : what lies outside a frame
    compose : whether flows are composed
    """

    def __init__(
        self,
        *,
        width: int,
        stages: int,
        input_frames: int,
        channels: int = 1,
        diffusion: float = 0.0,
        sampling: Sampling,
        padding: Padding,
        compose: bool = False,
    ) -> None:
        super().__init__()
        self.estimator = UNet(width=width, stages=stages, inputs=input_frames * channels, outputs=2)
        self.diffusion = diffusion
        self.sampling: Sampling = sampling
        self.padding: Padding = padding
        self.compose = compose

    def begin(self, inputs: Tensor) -> ADDLState:
        """
        Remember all but the newest frame.

        Parameters
        ----------
        inputs : (batch, time, channel, y, x), the l input frames
        """
        return ADDLState(inputs[:, :-1])

    def step(self, frame: Tensor, state: ADDLState) -> tuple[Tensor, ADDLState]:
        """
        Forecast the next frame.

        Parameters
        ----------
        frame : (batch, channel, y, x), the newest
        state : of `begin` or of the step before

        Returns
        -------
        forecast : (batch, channel, y, x)
        state : for the next step
        """
        forecast, _, state = self._advance(frame, state)
        return forecast, state

    def motion(self, window: Tensor) -> Tensor:
        """
        Estimate the motion into the next frame.

        Parameters
        ----------
        window : (batch, time, channel, y, x), l frames, oldest first

        Returns
        -------
        (batch, 2, y, x), px/frame, to the right and downwards
        """
        flow: Tensor = self.estimator(window.flatten(1, 2))
        return flow

    def roll_out(self, inputs: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
        """
        Forecast frame after frame from forecasts of its own.

        Parameters
        ----------
        inputs : (batch, time, channel, y, x), the l input frames
        horizon : n, frames to forecast, >= 1

        Returns
        -------
        frames : (batch, n, channel, y, x)
        flows : (batch, n, 2, y, x), the motion into each, px/frame
        """
        frame, state = inputs[:, -1], self.begin(inputs)
        frames, flows = [], []
        for _ in range(horizon):
            frame, flow, state = self._advance(frame, state)
            frames.append(frame)
            flows.append(flow)
        return torch.stack(frames, 1), torch.stack(flows, 1)

    def _advance(self, frame: Tensor, state: ADDLState) -> tuple[Tensor, Tensor, ADDLState]:
        """Return forecast, motion and state after one step."""
        window = torch.cat((state.frames, frame[:, None]), 1)
        flow = self.motion(window)
        if not self.compose:
            return self._transport(frame, flow, 1), flow, ADDLState(window[:, 1:])
        origin = frame if state.origin is None else state.origin
        displacement = flow if state.displacement is None else compose_flows(state.displacement, flow)
        elapsed = state.elapsed + 1
        state = ADDLState(window[:, 1:], origin, displacement, elapsed)
        return self._transport(origin, displacement, elapsed), flow, state

    def _transport(self, frame: Tensor, displacement: Tensor, elapsed: int) -> Tensor:
        if self.diffusion > 0:
            return warp_gaussian(frame, displacement, self.diffusion * elapsed, padding=self.padding)
        return warp(frame, displacement, sampling=self.sampling, padding=self.padding)
