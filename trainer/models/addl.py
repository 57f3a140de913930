"""ADDL: a network estimates the motion of the last frames; advection and diffusion carry the newest one on."""

from typing import Final, NamedTuple

import torch
from torch import Tensor, nn

from trainer.models.normalisation import group_norm
from trainer.models.warping import Padding, Sampling, compose_flows, warp, warp_gaussian

SLOPE: Final = 0.1
"""Of the leaky rectifiers below zero."""
HEAD_DEVIATION: Final = 1e-3
"""Of the flow head's initial weights: a new network copies the newest frame, and its gradients are healthy."""


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
    pixel comes from; the motion w is estimated from the window of the last frames (`MotionEstimator`)::

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
        self.estimator = MotionEstimator(width=width, stages=stages, input_channels=input_frames * channels)
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


class MotionEstimator(nn.Module):
    """
    Convolve down, then up again with skip connections, to a field of motion.

    With b the width, stage i = 0 .. stages-1 halves the frame by a 3x3 convolution of stride 2 to b 2^i channels, from
    the third stage on followed by one of stride 1. On the way up the maps are concatenated with those of the same size
    (the last with the frames), doubled bilinearly and convolved, to b 2^i / 4 channels at the size of stage i's input.
    Every convolution is normalised and rectified but the last, which is linear; none has a bias. Frames of any size
    are padded by reflection to a multiple of 2^stages, and the flow is cropped.

    On the way up the normalisation has nothing to learn, so the parameters are those of the published network, which
    normalises batches on the way down only: 22,197,736 for 4 input channels, b = 64 and 5 stages.

    Parameters
    ----------
    width : b, >= 1
    stages : >= 1
    input_channels : of the stacked frames
    """

    def __init__(self, *, width: int, stages: int, input_channels: int) -> None:
        super().__init__()
        down = [input_channels] + [width * 2**stage for stage in range(stages)]
        up = [max(1, width * 2**stage // 4) for stage in range(stages)]
        self.down = nn.ModuleList(_halving(down[i], down[i + 1], deep=i >= 2) for i in range(stages))
        self.up = nn.ModuleList(
            _widening(down[i + 1] + (up[i + 1] if i + 1 < stages else 0), up[i]) for i in reversed(range(stages))
        )
        self.head = nn.Conv2d(input_channels + up[0], 2, 3, padding=1, bias=False)
        nn.init.normal_(self.head.weight, std=HEAD_DEVIATION)

    def forward(self, frames: Tensor) -> Tensor:
        """
        Estimate the motion.

        Parameters
        ----------
        frames : (batch, input_channels, y, x), oldest first

        Returns
        -------
        (batch, 2, y, x), px/frame, in the precision of the parameters
        """
        y, x = frames.shape[-2:]
        levels = [_reflected(frames, 2 ** len(self.down))]
        for halving in self.down:
            levels.append(halving(levels[-1]))
        maps = levels.pop()
        for widening in self.up:
            finer = levels.pop()
            doubled = nn.functional.interpolate(maps, size=finer.shape[-2:], mode="bilinear")
            maps = torch.cat((finer, widening(doubled)), 1)
        with torch.autocast(maps.device.type, enabled=False):  # bfloat16 knows a motion of 3 px to 1/64 px only
            flow: Tensor = self.head(maps.to(self.head.weight.dtype))
        return flow[..., :y, :x]


def _halving(inputs: int, outputs: int, *, deep: bool) -> nn.Sequential:
    first = _convolution(inputs, outputs, stride=2)
    return nn.Sequential(*first, *(_convolution(outputs, outputs) if deep else ()))


def _widening(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs, affine=False))


def _convolution(inputs: int, outputs: int, *, stride: int = 1, affine: bool = True) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, SLOPE)
    return convolution, group_norm(outputs, affine=affine), nn.LeakyReLU(SLOPE, inplace=True)


def _reflected(frames: Tensor, multiple: int) -> Tensor:
    """Continue frames to the right and downwards by mirroring, back and forth where more lacks than there is."""
    for axis in (-2, -1):
        length = frames.shape[axis]
        padded = -(-length // multiple) * multiple
        if padded > length:
            there_and_back = max(1, 2 * (length - 1))
            step = torch.arange(padded, device=frames.device) % there_and_back
            frames = frames.index_select(axis, torch.minimum(step, there_and_back - step))
    return frames
