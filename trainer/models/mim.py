"""
Memory In Memory (Wang et al., CVPR 2019): recurrence on the differences between the states of the layer below.

Layer 1 is an ST-LSTM; in each further layer two memory modules take the place of its temporal forget gate. MIM-N sees
how the layer below changed and keeps the non-stationary part; MIM-S sees what MIM-N emits and keeps the rest. The
equations are those of the authors' program, which differ from the paper's: recurrent convolutions act on the modules'
outputs, memories enter their gates through peepholes, and the input's share of i and g serves both branches of a block.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from trainer.models.layers import (
    FORGET_BIAS,
    NormalisedConvolution,
    SpatioTemporalLSTM,
    from_patches,
    gated,
    to_patches,
)

Feeding = Callable[[int, Tensor, Tensor], Tensor]
"""(index of the frame to be fed, true frame, predicted frame) to the frame that is fed."""


class FirstState(NamedTuple):
    """State of layer 1, (batch, hidden, y, x) on the patched grid; None stands for zeros before the first frame."""

    hidden: Tensor | None
    cell: Tensor


class BlockState(NamedTuple):
    """State of a further layer, (batch, hidden, y, x) on the patched grid; None stands for zeros."""

    hidden: Tensor | None
    cell: Tensor | None
    stationary: Tensor
    """S, memory of MIM-S."""
    change: Tensor | None
    """D, what MIM-N emitted."""
    nonstationary: Tensor
    """N, memory of MIM-N."""


class MIMState(NamedTuple):
    """What a MIM carries from frame to frame."""

    first: FirstState
    further: tuple[BlockState, ...]
    memory: Tensor
    """M, handed from layer to layer and from the last to the first of the next frame."""


class MemoryModule(nn.Module):
    """
    MIM-N and MIM-S, which share their equations.

    With q the input, r the recurrent input and n the memory, `p` peepholes, every convolution `*` normalised::

        [i g f o] = Wq*q + Wr*r
        n <- sigma(f + pf . n + 1) . n + sigma(i + pi . n) . tanh(g)
        output = sigma(o + po . n) . tanh(n)                                  with the new n

    In MIM-N q is a difference of hidden maps (or the output of the MIM-N below), r its own last output and n = N. In
    MIM-S q is what MIM-N emits, r the cell C of the block and n = S.

    Parameters
    ----------
    hidden : channels
    kernel : px per side, odd
    normalise : whether convolutions are
    grid : (y, x) of a peephole for each place, or (1, 1): one for each channel, whatever the image's size
    """

    def __init__(self, hidden: int, kernel: int, *, normalise: bool, grid: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.from_input = NormalisedConvolution(hidden, 4 * hidden, kernel, normalise=normalise)  # i g f o
        self.from_recurrent = NormalisedConvolution(hidden, 4 * hidden, kernel, normalise=normalise)  # i g f o
        self.peepholes = nn.Parameter(torch.zeros(3, hidden, *grid))  # of i, f, o

    def forward(self, inputs: Tensor | None, recurrent: Tensor | None, memory: Tensor) -> tuple[Tensor, Tensor]:
        """
        Make one step.

        Parameters
        ----------
        inputs, recurrent, memory : q, r and n, (batch, hidden, y, x); None for zeros

        Returns
        -------
        output and memory after the step
        """
        gates = self.from_input(inputs) + self.from_recurrent(recurrent)
        enter, candidate, forget, output = gates.chunk(4, -3)
        of_enter, of_forget, of_output = self.peepholes
        kept = torch.sigmoid(torch.addcmul(forget + FORGET_BIAS, of_forget, memory)) * memory
        memory = torch.addcmul(kept, torch.sigmoid(torch.addcmul(enter, of_enter, memory)), torch.tanh(candidate))
        return torch.sigmoid(torch.addcmul(output, of_output, memory)) * torch.tanh(memory), memory


class MIMBlock(nn.Module):
    """
    MIM block: a spatio-temporal LSTM whose temporal forgetting is MIM-S.

    With x the hidden maps of the layer below, h its own, D what MIM-N emits, every convolution normalised but W1::

        [ix gx fx ox] = Wx*x        [ih gh oh] = Wh*h        [im gm fm om] = Wm*M
        T, S <- MIM-S(D, C, S)
        C <- T + sigma(ix + ih) . tanh(gx + gh)
        o  = sigma(ox + oh + om)                                              with the M that comes in
        M <- sigma(fx + fm + 1) . M + sigma(ix + im) . tanh(gx + gm)
        h <- o . tanh(W1*[C, M])                                              W1: 1x1

    Parameters
    ----------
    hidden : channels
    kernel : px per side, odd
    normalise : whether convolutions are
    grid : of MIM-S's peepholes, see `MemoryModule`
    """

    def __init__(self, hidden: int, kernel: int, *, normalise: bool, grid: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.hidden = hidden
        self.from_input = NormalisedConvolution(hidden, 4 * hidden, kernel, normalise=normalise)  # i g f o
        self.from_hidden = NormalisedConvolution(hidden, 3 * hidden, kernel, normalise=normalise)  # i g o
        self.from_memory = NormalisedConvolution(hidden, 4 * hidden, kernel, normalise=normalise)  # i g f o
        self.stationary = MemoryModule(hidden, kernel, normalise=normalise, grid=grid)
        self.mix = nn.Conv2d(2 * hidden, hidden, 1, bias=False)

    def forward(
        self,
        inputs: Tensor,
        change: Tensor | None,
        hidden: Tensor | None,
        cell: Tensor | None,
        stationary: Tensor,
        memory: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """
        Make one step.

        Parameters
        ----------
        inputs, change, hidden, cell, stationary, memory : x, D, h, C, S and M, (batch, hidden, y, x); None for zeros

        Returns
        -------
        h, C, S and M after the step
        """
        one, two, three = self.hidden, 2 * self.hidden, 3 * self.hidden
        of_input, of_memory = self.from_input(inputs), self.from_memory(memory)
        h_cell, h_output = self.from_hidden(hidden).split((two, one), -3)
        trend, stationary = self.stationary(change, cell, stationary)
        enter, candidate = (of_input[:, :two] + h_cell).chunk(2, 1)
        cell = torch.addcmul(trend, torch.sigmoid(enter), torch.tanh(candidate))
        output = torch.sigmoid(of_input[:, three:] + h_output + of_memory[:, three:])
        memory = gated(of_input[:, :three] + of_memory[:, :three], memory)
        return output * torch.tanh(self.mix(torch.cat((cell, memory), 1))), cell, stationary, memory


class MIM(nn.Module):
    """
    Network of MIM: patches, an ST-LSTM, blocks, and a 1x1 convolution to features at the frame's own resolution.

    The first block's MIM-N sees h of layer 1 less what it was a frame before; in a cascade each further one sees the D
    of the MIM-N below (the authors' program), in diagonals the difference of the h below (their paper). At the first
    frame there is no difference yet: D = 0.

    Parameters
    ----------
    layers : >= 1
    hidden : channels of every layer
    kernel : px of the patched grid per side, odd
    patch : px of a frame per side
    channels : of a frame
    features : channels emitted; None for those of a frame, where the decoder is the identity
    normalise : whether convolutions are normalised, instead of having a bias
    peephole : of MIM-N and MIM-S, one weight a channel, or one for each channel and place: then frames have one size
    grid : (y, x) of a frame over `patch`, needed by the peephole `map`
    differences : what MIM-N sees from layer 3 on

    Raises
    ------
    ValueError : `peephole` is `map` and `grid` is missing
    """

    def __init__(
        self,
        *,
        layers: int,
        hidden: int,
        kernel: int,
        patch: int,
        channels: int = 1,
        features: int | None = None,
        normalise: bool = True,
        peephole: Literal["channel", "map"] = "channel",
        grid: tuple[int, int] | None = None,
        differences: Literal["cascade", "diagonal"] = "cascade",
    ) -> None:
        super().__init__()
        if peephole == "map" and grid is None:
            raise ValueError("peephole is map, grid is None; give (y, x) of the patched frame, or the peephole channel")
        places = grid if peephole == "map" and grid else (1, 1)
        self.hidden, self.patch, self.differences = hidden, patch, differences
        further = range(layers - 1)
        self.first = SpatioTemporalLSTM(patch * patch * channels, hidden, kernel, normalise=normalise)
        self.nonstationary = nn.ModuleList(
            _silent(MemoryModule(hidden, kernel, normalise=normalise, grid=places)) for _ in further
        )
        self.blocks = nn.ModuleList(MIMBlock(hidden, kernel, normalise=normalise, grid=places) for _ in further)
        self.head = nn.Conv2d(hidden, patch * patch * (features or channels), 1, bias=False)

    def begin(self, inputs: Tensor) -> MIMState:
        """
        Return the state after all input frames but the newest, which the first `step` is for.

        Parameters
        ----------
        inputs : (batch, time, channel, y, x), oldest first, [0, 1]; y and x are multiples of `patch`

        Raises
        ------
        ValueError : y or x is no multiple of `patch`
        """
        state = self._silence(inputs[:, 0])
        for frame in inputs[:, :-1].unbind(1):
            _, state = self._advance(frame, state)
        return state

    def step(self, frame: Tensor, state: MIMState) -> tuple[Tensor, MIMState]:
        """
        Predict the features of the next frame.

        Parameters
        ----------
        frame : (batch, channel, y, x), the newest
        state : from `begin` or the last `step`

        Returns
        -------
        (batch, features, y, x) and the new state
        """
        hidden, state = self._advance(frame, state)
        return from_patches(self.head(hidden), self.patch).to(frame.dtype), state

    @torch.no_grad()
    def scale_features(self, scales: Tensor) -> None:
        """Multiply what is emitted for each feature, (features,)."""
        self.head.weight *= scales.repeat(self.patch**2)[:, None, None, None]

    def unroll(
        self, frames: Tensor, fed: Feeding | None = None, decode: Callable[[Tensor], Tensor] = lambda features: features
    ) -> Tensor:
        """
        Predict every frame but the first, one step ahead.

        Parameters
        ----------
        frames : (batch, time, channel, y, x), oldest first, [0, 1], time >= 2
        fed : what is fed for each frame from the second to the last but one; None: the true frames
        decode : features to a frame

        Returns
        -------
        (batch, time - 1, channel, y, x)

        Raises
        ------
        ValueError : y or x is no multiple of `patch`
        """
        state = self._silence(frames[:, 0])
        predictions: list[Tensor] = []
        for index, true in enumerate(frames[:, :-1].unbind(1)):
            frame = fed(index, true, predictions[-1]) if fed and predictions else true
            features, state = self.step(frame, state)
            predictions.append(decode(features))
        return torch.stack(predictions, 1)

    def _silence(self, frame: Tensor) -> MIMState:
        """Return the state before the first frame."""
        y, x = to_patches(frame, self.patch).shape[-2:]
        zeros = frame.new_zeros(len(frame), self.hidden, y, x)
        block = BlockState(hidden=None, cell=None, stationary=zeros, change=None, nonstationary=zeros)
        return MIMState(FirstState(None, zeros), (block,) * len(self.blocks), zeros)

    def _advance(self, frame: Tensor, state: MIMState) -> tuple[Tensor, MIMState]:
        """Return h of the last layer and the new state."""
        below, (hidden, cell), memory = state.first.hidden, state.first, state.memory
        hidden, cell, memory = self.first(to_patches(frame, self.patch), hidden, cell, memory)
        first = FirstState(hidden, cell)
        difference = _less(hidden, below)
        further = []
        for nonstationary, block, old in zip(self.nonstationary, self.blocks, state.further, strict=True):
            change, kept = None, old.nonstationary
            if difference is not None:
                change, kept = nonstationary(difference, old.change, old.nonstationary)
            hidden, cell, stationary, memory = block(hidden, change, old.hidden, old.cell, old.stationary, memory)
            further.append(BlockState(hidden, cell, stationary, change, kept))
            difference = change if self.differences == "cascade" else _less(hidden, old.hidden)
        return hidden, MIMState(first, tuple(further), memory)


def _less(now: Tensor, before: Tensor | None) -> Tensor | None:
    """Return the difference of two maps, or None where there is no earlier one."""
    return None if before is None else now - before


def _silent(module: MemoryModule) -> MemoryModule:
    """Let MIM-N start almost without a voice: small kernels, and small scales where a norm would undo them."""
    for convolution in (module.from_input, module.from_recurrent):
        nn.init.uniform_(convolution.weight, -1e-3, 1e-3)
        if convolution.scale is not None:
            nn.init.constant_(convolution.scale, 0.1)
    return module
