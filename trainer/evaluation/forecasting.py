"""Forecasts as arrays, for files and pictures: frames, weights, and what gates and experts look like in an image."""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainer.models.decoder import ConvolutionDecoder
from trainer.models.stmoe import STMoE

Array = NDArray[np.float32]

_STEADY = 0.1
"""Least |sum| of a filter, relative to its sum of magnitudes, for which its answer to W over that to 1 resembles W."""


class Forecasts(NamedTuple):
    """
    What a network made of sequences.

    frames : (sequence, time, y, x), not clipped
    weights : (sequence, time, expert, y, x), W in [0, 1]
    gates : (sequence, time, expert, y, x) in [0, 1], the weights seen through the decoder, H(W)
    parts : (sequence, time, expert, y, x), each expert's features decoded alone, not clipped
    """

    frames: Array
    weights: Array
    gates: Array
    parts: Array


@torch.inference_mode()
def forecast(network: STMoE, inputs: Array, horizon: int, device: torch.device) -> Forecasts:
    """
    Forecast a batch of sequences in fp32.

    Parameters
    ----------
    network : on the device, in eval mode
    inputs : (sequence, time, y, x), the l frames before the forecast, full scale 1
    horizon : frames to forecast
    device : where to compute
    """
    made = network(torch.from_numpy(inputs)[:, :, None].to(device), horizon, parts=True)
    weights = made.log_weights.float().exp()
    return Forecasts(
        frames=_grey(made.frames),
        weights=weights.cpu().numpy(),
        gates=visible_gates(network.decoder, weights).cpu().numpy(),
        parts=_grey(made.parts),
    )


def stored_fractions(frames: NDArray[Any]) -> Array:
    """Return frames as stored, uint8 or float, of any shape, as float32 with full scale 1."""
    fractions: Array = (frames / np.float32(255 if frames.dtype == np.uint8 else 1)).astype(np.float32)
    return fractions


def visible_gates(decoder: nn.Module, weights: Tensor) -> Tensor:
    """
    Return the weights as they act on the image, H(W^k) (models.md 3.3; figures 4, 7 and 9 of the paper).

    A convolution decodes W^k, the same in all features, over what it makes of 1. Where the filter hardly answers to
    what is constant, that would say nothing, and the weights are returned as they are; as they are for the identity.

    Parameters
    ----------
    decoder : H
    weights : (batch, time, expert, y, x) in [0, 1]

    Returns
    -------
    the same shape, in [0, 1]
    """
    if not isinstance(decoder, ConvolutionDecoder):
        return weights
    kernel = decoder.convolution.weight.sum((0, 1))
    if kernel.sum().abs() < _STEADY * kernel.abs().sum():
        return weights
    flat = weights.flatten(0, 2)[:, None].expand(-1, decoder.convolution.in_channels, -1, -1)
    answer: Tensor = decoder(flat) / decoder(torch.ones_like(flat[:1]))  # (batch * time * expert, channel, y, x)
    return answer.mean(1).clamp(0, 1).view_as(weights)


def _grey(frames: Tensor) -> Array:
    """Return (..., channel, y, x) without its one channel."""
    values: Array = frames.squeeze(-3).float().cpu().numpy()
    return values
