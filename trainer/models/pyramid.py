"""What networks have in common that convolve frames down to smaller sizes, then up again to maps of their own size."""

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn

from trainer.models.normalisation import group_norm

SLOPE: Final = 0.1
"""Of the leaky rectifiers below zero."""
HEAD_DEVIATION: Final = 1e-3
"""Of a head's initial weights: a new network says nearly nothing, and its gradients are healthy."""


class Head(nn.Conv2d):
    """
    The last layer, linear: a 3x3 convolution in the precision of its parameters.

    Parameters
    ----------
    inputs, outputs : channels
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=False)
        nn.init.normal_(self.weight, std=HEAD_DEVIATION)

    def forward(self, maps: Tensor) -> Tensor:
        """Return (batch, outputs, y, x), whatever the precision of the maps."""
        with torch.autocast(maps.device.type, enabled=False):  # bfloat16 knows a motion of 3 px to 1/64 px only
            return super().forward(maps.to(self.weight.dtype))


def convolution(inputs: int, outputs: int, *, stride: int = 1, affine: bool = True) -> tuple[nn.Module, ...]:
    """
    Return the layers of a 3x3 convolution without bias, normalised in groups and rectified.

    Parameters
    ----------
    inputs, outputs : channels
    affine : whether the normalisation has a scale and a shift to learn
    """
    filters = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(filters.weight, SLOPE)
    return filters, group_norm(outputs, affine=affine), nn.LeakyReLU(SLOPE, inplace=True)


def descended(maps: Tensor, halvings: Iterable[nn.Module]) -> list[Tensor]:
    """Return maps and what each halving makes of those before, the smallest last."""
    levels = [maps]
    for halving in halvings:
        levels.append(halving(levels[-1]))
    return levels


def enlarged(maps: Tensor, finer: Tensor) -> Tensor:
    """Return maps at the size of others, bilinearly."""
    return nn.functional.interpolate(maps, size=finer.shape[-2:], mode="bilinear")


def reflected(frames: Tensor, multiple: int) -> Tensor:
    """Continue frames to the right and downwards by mirroring, back and forth where more lacks than there is."""
    for axis in (-2, -1):
        length = frames.shape[axis]
        padded = -(-length // multiple) * multiple
        if padded > length:
            there_and_back = max(1, 2 * (length - 1))
            step = torch.arange(padded, device=frames.device) % there_and_back
            frames = frames.index_select(axis, torch.minimum(step, there_and_back - step))
    return frames
