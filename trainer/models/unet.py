"""A network that convolves frames down, then up again to maps of their own size."""

import torch
from torch import Tensor, nn

from trainer.models.pyramid import Head, convolution, descended, enlarged, reflected


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
        self.head = Head(inputs + up[0], outputs)

    def forward(self, frames: Tensor) -> Tensor:
        """
        Return (batch, outputs, y, x) in the precision of the parameters.

        Parameters
        ----------
        frames : (batch, inputs, y, x)
        """
        y, x = frames.shape[-2:]
        *levels, maps = descended(reflected(frames, 2 ** len(self.down)), self.down)
        for widening in self.up:
            finer = levels.pop()
            maps = torch.cat((finer, widening(enlarged(maps, finer))), 1)
        mapped: Tensor = self.head(maps)
        return mapped[..., :y, :x]


def _halving(inputs: int, outputs: int, *, deep: bool) -> nn.Sequential:
    first = convolution(inputs, outputs, stride=2)
    return nn.Sequential(*first, *(convolution(outputs, outputs) if deep else ()))


def _widening(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*convolution(inputs, outputs, affine=False))
