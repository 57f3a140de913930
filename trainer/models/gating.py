"""Spatio-temporal gating networks G: how much each expert counts at each pixel, from the frames before it."""

import math
from collections.abc import Iterable
from typing import Final, Literal

import torch
from torch import Tensor, nn

from trainer.models.normalisation import group_norm

Activation = Literal["softmax", "sigmoid"]

HEAD_DEVIATION: Final = 0.01
"""Of the initial weights of a gate's last layers: every expert starts with nearly the same weight, 1/m."""
HIGHEST_START: Final = 0.99
"""Of a sigmoid gate: a single expert would else start at 1, which no finite bias reaches."""


class PixelwiseGate(nn.Module):
    """
    Weight every expert at every pixel (equation 5).

    A trunk G' that the experts share reads the window; each expert's G'' squeezes and excites the trunk's maps U (Hu et
    al., Squeeze-and-Excitation Networks, 2018) and looks at 5x5 px of them::

        U = G'(Y_{t-l} .. Y_{t-1})                            3x3 convolutions, GroupNorm, ReLU
        s^k = sigma(W2 relu(W1 mean_xy(U)))                   expert-wise attention
        a^k = conv(relu(conv(s^k U)))                         pixel-wise attention, 3x3 each
        W^k = exp(a^k) / sum_j exp(a^j)   or   sigma(a^k)

    Parameters
    ----------
    experts : m
    input_channels : of the window, frames times channels of a frame
    channels : of the trunk
    dilations : of the trunk's convolutions; its field of view is 1 + 2 sum(dilations) px
    reduction : of `channels` between W1 and W2
    head : channels between the two last convolutions
    activation : softmax, the weights of a pixel sum to 1; sigmoid, each is free in (0, 1)
    """

    def __init__(
        self,
        *,
        experts: int,
        input_channels: int,
        channels: int,
        dilations: Iterable[int],
        reduction: int,
        head: int,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.trunk = _trunk(input_channels, channels, dilations)
        self.heads = nn.ModuleList(
            ExpertHead(channels, reduction=reduction, head=head, kernel=3, start=_start(experts, activation))
            for _ in range(experts)
        )

    def forward(self, window: Tensor) -> Tensor:
        """
        Return the logarithms of the weights.

        Parameters
        ----------
        window : (batch, time*channel, y, x), channel 0 of the oldest frame first

        Returns
        -------
        (batch, expert, y, x), <= 0, float32 or better
        """
        maps = self.trunk(window)
        return _log_weights(torch.cat([head(maps) for head in self.heads], 1), self.activation)


class ExpertHead(nn.Module):
    """
    G'' of one expert: squeeze-and-excitation, then two convolutions to one map.

    Parameters
    ----------
    channels : in
    reduction : of `channels` inside the squeeze-and-excitation
    head : channels between the convolutions
    kernel : px per side of the convolutions, odd
    start : of the logits
    """

    def __init__(self, channels: int, *, reduction: int, head: int, kernel: int, start: float) -> None:
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.excitation = nn.Sequential(
            nn.Linear(channels, squeezed), nn.ReLU(), nn.Linear(squeezed, channels), nn.Sigmoid()
        )
        self.hidden = nn.Conv2d(channels, head, kernel, padding=kernel // 2)
        self.output = nn.Conv2d(head, 1, kernel, padding=kernel // 2)
        for convolution in (self.hidden, self.output):
            nn.init.normal_(convolution.weight, std=HEAD_DEVIATION)
        nn.init.constant_(self.output.bias, start)  # type: ignore[arg-type]  # there is one

    def forward(self, maps: Tensor) -> Tensor:
        """
        Return the expert's logits.

        Parameters
        ----------
        maps : U, (batch, channels, y, x)

        Returns
        -------
        (batch, 1, y, x)
        """
        scales = self.excitation(maps.mean((2, 3)))[:, :, None, None]
        logits: Tensor = self.output(self.hidden(scales * maps).relu())
        return logits


class UniformGate(nn.Module):
    """
    Weight every expert by one number for the whole frame: a conventional mixture of experts (table 6).

    As `PixelwiseGate`, but U is averaged over the frame before the experts' heads, whose convolutions are then fully
    connected layers: with V = mean_xy(U), `a^k = A2 relu(A1 (s^k V))`.

    Parameters
    ----------
    experts, input_channels, channels, dilations, reduction, head, activation : as of `PixelwiseGate`
    """

    def __init__(
        self,
        *,
        experts: int,
        input_channels: int,
        channels: int,
        dilations: Iterable[int],
        reduction: int,
        head: int,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.trunk = _trunk(input_channels, channels, dilations)
        self.heads = nn.ModuleList(
            ExpertHead(channels, reduction=reduction, head=head, kernel=1, start=_start(experts, activation))
            for _ in range(experts)
        )

    def forward(self, window: Tensor) -> Tensor:
        """
        Return the logarithms of the weights, the same at every pixel.

        Parameters
        ----------
        window : (batch, time*channel, y, x), channel 0 of the oldest frame first

        Returns
        -------
        (batch, expert, y, x), <= 0, float32 or better
        """
        means = self.trunk(window).mean((2, 3), keepdim=True)
        logits = torch.cat([head(means) for head in self.heads], 1)  # (batch, expert, 1, 1)
        return _log_weights(logits, self.activation).expand(-1, -1, *window.shape[-2:])


class ConstantGate(nn.Module):
    """
    Weight all experts alike and always: no attention (1: experts add up, equation 4), their mean (1/m), or one alone.

    Parameters
    ----------
    experts : m
    weight : > 0, <= 1
    """

    def __init__(self, experts: int, weight: float) -> None:
        super().__init__()
        self.experts = experts
        self.log_weight = math.log(weight)

    def forward(self, window: Tensor) -> Tensor:
        """
        Return the logarithms of the weights.

        Parameters
        ----------
        window : (batch, time*channel, y, x); only its size matters

        Returns
        -------
        (batch, expert, y, x)
        """
        batch, _, y, x = window.shape
        return torch.full((), self.log_weight, device=window.device).expand(batch, self.experts, y, x)


def _trunk(inputs: int, channels: int, dilations: Iterable[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for dilation in dilations:
        layers += [
            nn.Conv2d(inputs, channels, 3, padding=dilation, dilation=dilation),
            group_norm(channels),
            nn.ReLU(inplace=True),
        ]
        inputs = channels
    return nn.Sequential(*layers)


def _start(experts: int, activation: Activation) -> float:
    """Return the logit at which every weight is 1/m, which keeps the brightness of the experts."""
    match activation:
        case "softmax":
            return 0.0
        case "sigmoid":
            weight = min(1 / experts, HIGHEST_START)
            return math.log(weight / (1 - weight))


def _log_weights(logits: Tensor, activation: Activation) -> Tensor:
    """Return logarithms rather than weights: w log w is then exact, with neither log 0 nor an epsilon."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    match activation:
        case "softmax":
            return nn.functional.log_softmax(logits, 1)
        case "sigmoid":
            return nn.functional.logsigmoid(logits)
