"""A network that estimates motion at every pixel: a U-Net that also looks at the frames in their full resolution."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from trainer.models.normalisation import group_norm
from trainer.models.unet import reflected

SLOPE: Final = 0.1
"""Of the leaky rectifiers below zero."""
HEAD_DEVIATION: Final = 1e-3
"""Of the head's initial weights: a new network says nearly nothing, and its gradients are healthy."""


class Estimator(nn.Module):
    """
    Convolve twice at every size, from the frame's own down and up again (Ronneberger et al., U-Net, 2015).

    Every size is half the one before, by a stride of 2. On the way up the maps are doubled bilinearly and concatenated
    with those of the same size on the way down. All convolutions are 3x3, normalised in groups and rectified but the
    head, which is linear; none has a bias. The published network of ADDL (`UNet`) halves the frame at once and has only
    a linear layer at full size: as an estimator of motion to parts of a pixel it errs half as much again.

    Frames of any size are padded by reflection, and the maps are cropped.

    Parameters
    ----------
    channels : of each size, from the frame's own to the smallest; 1 or more
    inputs, outputs : channels
    """

    def __init__(self, *, channels: Sequence[int], inputs: int, outputs: int) -> None:
        super().__init__()
        sizes = tuple(pairwise(channels))
        self.first = _twice(inputs, channels[0])
        self.down = nn.ModuleList(_twice(fine, coarse, stride=2) for fine, coarse in sizes)
        self.up = nn.ModuleList(_twice(fine + coarse, fine) for fine, coarse in reversed(sizes))
        self.head = nn.Conv2d(channels[0], outputs, 3, padding=1, bias=False)
        nn.init.normal_(self.head.weight, std=HEAD_DEVIATION)

    def forward(self, frames: Tensor) -> Tensor:
        """
        Return (batch, outputs, y, x) in the precision of the parameters.

        Parameters
        ----------
        frames : (batch, inputs, y, x)
        """
        y, x = frames.shape[-2:]
        levels = [self.first(reflected(frames, 2 ** len(self.down)))]
        for halving in self.down:
            levels.append(halving(levels[-1]))
        maps = levels.pop()
        for widening in self.up:
            finer = levels.pop()
            doubled = nn.functional.interpolate(maps, size=finer.shape[-2:], mode="bilinear")
            maps = widening(torch.cat((finer, doubled), 1))
        with torch.autocast(maps.device.type, enabled=False):  # bfloat16 knows a motion of 3 px to 1/64 px only
            mapped: Tensor = self.head(maps.to(self.head.weight.dtype))
        return mapped[..., :y, :x]


def _twice(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs, stride), *_convolution(outputs, outputs))


def _convolution(inputs: int, outputs: int, stride: int = 1) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, SLOPE)
    return convolution, group_norm(outputs), nn.LeakyReLU(SLOPE, inplace=True)
