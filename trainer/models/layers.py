"""Blocks that several networks share: patches, the normalised convolution and the spatio-temporal LSTM cell."""

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, group_norm

FORGET_BIAS: Final = 1.0
"""Added inside the sigmoid of every forget gate, so that a new cell remembers."""


def to_patches(image: Tensor, patch: int) -> Tensor:
    """
    Move each square of pixels into the channels of one.

    A permutation, so nothing is lost. For one channel it is PyTorch's pixel_unshuffle, for more the channels lie in
    another order::

        patches[(dy*patch + dx)*C + c, i, j] = image[c, i*patch + dy, j*patch + dx]        0 <= dy, dx < patch

    Parameters
    ----------
    image : (batch, channel, y, x)
    patch : px per side, >= 1

    Returns
    -------
    (batch, patch*patch*channel, y/patch, x/patch)

    Raises
    ------
    ValueError : y or x is no multiple of `patch`
    """
    batch, channels, y, x = image.shape
    if y % patch or x % patch:
        raise ValueError(f"a frame of {y}x{x} px does not divide into patches of {patch} px; give multiples of {patch}")
    squares = image.reshape(batch, channels, y // patch, patch, x // patch, patch)
    return squares.permute(0, 3, 5, 1, 2, 4).reshape(batch, -1, y // patch, x // patch)


def from_patches(patches: Tensor, patch: int) -> Tensor:
    """
    Undo `to_patches` exactly.

    Parameters
    ----------
    patches : (batch, patch*patch*channel, y, x)
    patch : px per side, >= 1

    Returns
    -------
    (batch, channel, y*patch, x*patch)
    """
    batch, _, y, x = patches.shape
    squares = patches.reshape(batch, patch, patch, -1, y, x).permute(0, 3, 4, 1, 5, 2)
    return squares.reshape(batch, -1, y * patch, x * patch)


class NormalisedConvolution(nn.Conv2d):
    """
    Convolve without changing y and x, then normalise each sample over channel, y and x: GroupNorm of one group.

    Scale and offset are one number a channel, so any image size works. Without normalisation the offset is a bias.

    Parameters
    ----------
    inputs, outputs : channels
    kernel : px per side, odd
    normalise : whether to
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, normalise: bool) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.offset = nn.Parameter(torch.zeros(outputs))
        self.scale = nn.Parameter(torch.ones(outputs)) if normalise else None

    def forward(self, maps: Tensor | None) -> Tensor:
        """
        Return (batch, outputs, y, x) in the precision of the parameters.

        Parameters
        ----------
        maps : (batch, inputs, y, x); None stands for zeros, of which nothing but the offset (outputs, 1, 1) is left
        """
        if maps is None:
            return self.offset[:, None, None]
        # Autocast may convolve in bfloat16; gates and memories are not to be rounded at every step.
        if self.scale is None:
            return conv2d(maps, self.weight, self.offset, padding=self.padding).to(self.offset.dtype)
        convolved = conv2d(maps, self.weight, padding=self.padding).to(self.offset.dtype)
        return group_norm(convolved, 1, self.scale, self.offset)


class SpatioTemporalLSTM(nn.Module):
    """
    ST-LSTM cell (Wang et al., PredRNN, 2017): a memory C of its own, and a memory M that passes through all layers.

    With x the input, h the hidden maps, convolutions `*`, products `.` and every convolution normalised but W1::

        i  = sigma(Wxi*x + Whi*h)        g  = tanh(Wxg*x + Whg*h)        f  = sigma(Wxf*x + Whf*h + 1)
        i' = sigma(W'xi*x + Wmi*M)       g' = tanh(W'xg*x + Wmg*M)       f' = sigma(W'xf*x + Wmf*M + 1)
        C <- f . C + i . g               M <- f' . M + i' . g'
        o  = sigma(Wxo*x + Who*h + Wo*[C, M])
        h <- o . tanh(W1*[C, M])                                              W1: 1x1

    Parameters
    ----------
    inputs, hidden : channels
    kernel : px per side, odd
    normalise : whether convolutions are
    """

    def __init__(self, inputs: int, hidden: int, kernel: int, *, normalise: bool) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = NormalisedConvolution(inputs, 7 * hidden, kernel, normalise=normalise)  # i g f i' g' f' o
        self.from_hidden = NormalisedConvolution(hidden, 4 * hidden, kernel, normalise=normalise)  # i g f o
        self.from_memory = NormalisedConvolution(hidden, 3 * hidden, kernel, normalise=normalise)  # i' g' f'
        self.from_memories = NormalisedConvolution(2 * hidden, hidden, kernel, normalise=normalise)  # o
        self.mix = nn.Conv2d(2 * hidden, hidden, 1, bias=False)

    def forward(
        self, inputs: Tensor, hidden: Tensor | None, cell: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """
        Make one step.

        Parameters
        ----------
        inputs : (batch, inputs, y, x)
        hidden, cell, memory : h, C and M, (batch, hidden, y, x); h may be None for zeros

        Returns
        -------
        h, C and M after the step
        """
        own = 3 * self.hidden
        x_cell, x_memory, x_output = self.from_input(inputs).split((own, own, self.hidden), 1)
        h_cell, h_output = self.from_hidden(hidden).split((own, self.hidden), -3)
        cell = gated(x_cell + h_cell, cell)
        memory = gated(x_memory + self.from_memory(memory), memory)
        both = torch.cat((cell, memory), 1)
        output = torch.sigmoid(x_output + h_output + self.from_memories(both))
        return output * torch.tanh(self.mix(both)), cell, memory


def gated(gates: Tensor, memory: Tensor) -> Tensor:
    """
    Return sigma(f + 1) . memory + sigma(i) . tanh(g).

    Parameters
    ----------
    gates : i, g and f before their nonlinearities, (batch, 3*channel, y, x)
    memory : (batch, channel, y, x)
    """
    enter, candidate, forget = gates.chunk(3, 1)
    kept = torch.sigmoid(forget + FORGET_BIAS) * memory
    return torch.addcmul(kept, torch.sigmoid(enter), torch.tanh(candidate))
