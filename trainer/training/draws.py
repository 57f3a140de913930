"""The random choices of a step: a pure function of (seed, phase, step), so that resuming needs no generator."""

import hashlib
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

SYMMETRIES = 8
"""Of a square: two flips and a transposition."""


@dataclass(frozen=True)
class Draws:
    """Random choices of one step."""

    feed_truth: Tensor
    """(batch, time) float in [0, 1): a true frame is fed where it lies below the probability of one."""
    symmetry: Tensor
    """(batch,) int64, 0 to 7: bit 0 flips x, bit 1 flips y, bit 2 transposes."""
    noise: Tensor
    """(batch,) float in [0, 1)."""
    done: Tensor
    """Share of the phase that is done, 0 to 1; a tensor, since torch.compile takes a number for a constant."""

    def shared(self, rank: int, world: int) -> Self:
        """Return those of one process: the stream deals sequences to processes in turn."""
        return type(self)(self.feed_truth[rank::world], self.symmetry[rank::world], self.noise[rank::world], self.done)

    def to(self, device: torch.device) -> Self:
        """Return them on a device."""
        parts = (self.feed_truth, self.symmetry, self.noise, self.done)
        return type(self)(*(part.to(device) for part in parts))


def draw(seed: int, phase: str, step: int, *, steps: int, batch: int, frames: int) -> Draws:
    """
    Draw the choices of a step for the batch of all processes.

    Parameters
    ----------
    step : from 0 on, of `steps`
    batch : sequences over all processes
    frames : of a sequence
    """
    digest = hashlib.sha256(f"{seed}/{phase}/{step}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    return Draws(
        torch.rand(batch, frames, generator=generator),
        torch.randint(SYMMETRIES, (batch,), generator=generator),
        torch.rand(batch, generator=generator),
        torch.tensor(step / steps),
    )


def transformed(frames: Tensor, symmetry: Tensor) -> Tensor:
    """Return (batch, time, channel, y, x) frames, each flipped and transposed by its number; oblong ones flipped."""
    codes = symmetry.tolist()
    return torch.stack([_transformed(item, code) for item, code in zip(frames, codes, strict=True)])


def _transformed(frames: Tensor, code: int) -> Tensor:
    axes = [axis for bit, axis in ((1, -1), (2, -2)) if code & bit]
    frames = frames.flip(axes) if axes else frames
    square = frames.shape[-1] == frames.shape[-2]
    return frames.transpose(-1, -2) if code & 4 and square else frames
