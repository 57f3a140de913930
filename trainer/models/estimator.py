"""A network that estimates motion at every pixel: a U-Net that also looks at the frames in their full resolution."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from trainer.models.pyramid import Head, convolution, descended, enlarged, reflected


class Estimator(nn.Module):
    """
    Convolve twice at every size, from the frame's own down and up again (Ronneberger et al., U-Net, 2015).

    Every size is half the one before, by a stride of 2. On the way up the maps are doubled bilinearly and concatenated
    with those of the same size on the way down. All convolutions are 3x3, normalised in groups and rectified but the
    head, which is linear; none has a bias. The published network of ADDL (`UNet`) halves the frame at once and has only
    a linear layer at full size, where motion by parts of a pixel is to be seen.

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
        self.head = Head(channels[0], outputs)

    def forward(self, frames: Tensor) -> Tensor:
        """
        Return (batch, outputs, y, x) in the precision of the parameters.

        Parameters
        ----------
        frames : (batch, inputs, y, x)
        """
        y, x = frames.shape[-2:]
        *levels, maps = descended(self.first(reflected(frames, 2 ** len(self.down))), self.down)
        for widening in self.up:
            finer = levels.pop()
            maps = widening(torch.cat((finer, enlarged(maps, finer)), 1))
        mapped: Tensor = self.head(maps)
        return mapped[..., :y, :x]


def _twice(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*convolution(inputs, outputs, stride=stride), *convolution(outputs, outputs))
