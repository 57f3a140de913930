"""A network that convolves frames down, then up again to maps of their own size."""

from typing import Final

import torch
from torch import Tensor, nn

from trainer.models.normalisation import group_norm

SLOPE: Final = 0.1
"""Of the leaky rectifiers below zero."""
HEAD_DEVIATION: Final = 1e-3
"""Of the head's initial weights: a new network says nearly nothing, and its gradients are healthy."""


class UNet(nn.Module):
    """
    Convolve down, then up again with skip connections.

    With b the width, stage i = 0 .. stages-1 halves the frame by a 3x3 convolution of stride 2 to b 2^i channels, from
    the third stage on followed by one of stride 1. On the way up the maps are concatenated with those of the same size
    (the last with the input), doubled bilinearly and convolved, to b 2^i / 4 channels at the size of stage i's input.
    Every convolution is normalised and rectified but the head, which is linear; none has a bias. Frames of any size are
    padded by reflection to a multiple of 2^stages, and the maps are cropped.

    On the way up the normalisation has nothing to learn, so the parameters are those of the published network of
    de Bezenac et al. (2018), which normalises batches on the way down only: 22,197,736 for 4 input channels, 2 outputs,
    b = 64 and 5 stages.

    Parameters
    ----------
    width : b, >= 1
    stages : >= 1
    inputs, outputs : channels
    """

    def __init__(self, *, width: int, stages: int, inputs: int, outputs: int) -> None:
        super().__init__()
        down = [inputs] + [width * 2**stage for stage in range(stages)]
        up = [max(1, width * 2**stage // 4) for stage in range(stages)]
        self.down = nn.ModuleList(_halving(down[i], down[i + 1], deep=i >= 2) for i in range(stages))
        self.up = nn.ModuleList(
            _widening(down[i + 1] + (up[i + 1] if i + 1 < stages else 0), up[i]) for i in reversed(range(stages))
        )
        self.head = nn.Conv2d(inputs + up[0], outputs, 3, padding=1, bias=False)
        nn.init.normal_(self.head.weight, std=HEAD_DEVIATION)

    def forward(self, frames: Tensor) -> Tensor:
        """
        Return (batch, outputs, y, x) in the precision of the parameters.

        Parameters
        ----------
        frames : (batch, inputs, y, x)
        """
        y, x = frames.shape[-2:]
        levels = [reflected(frames, 2 ** len(self.down))]
        for halving in self.down:
            levels.append(halving(levels[-1]))
        maps = levels.pop()
        for widening in self.up:
            finer = levels.pop()
            doubled = nn.functional.interpolate(maps, size=finer.shape[-2:], mode="bilinear")
            maps = torch.cat((finer, widening(doubled)), 1)
        with torch.autocast(maps.device.type, enabled=False):  # bfloat16 knows a motion of 3 px to 1/64 px only
            mapped: Tensor = self.head(maps.to(self.head.weight.dtype))
        return mapped[..., :y, :x]


def _halving(inputs: int, outputs: int, *, deep: bool) -> nn.Sequential:
    first = _convolution(inputs, outputs, stride=2)
    return nn.Sequential(*first, *(_convolution(outputs, outputs) if deep else ()))


def _widening(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs, affine=False))


def _convolution(inputs: int, outputs: int, *, stride: int = 1, affine: bool = True) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, SLOPE)
    return convolution, group_norm(outputs, affine=affine), nn.LeakyReLU(SLOPE, inplace=True)


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
