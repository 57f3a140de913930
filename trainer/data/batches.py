"""What a stream yields."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from trainer.data.stores import FRAMES


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Some sequences, and where they come from."""

    arrays: dict[str, Tensor]
    """`frames` (batch, time, y, x) as stored, uint8 of 255 or float of 1, and what else was asked for: (batch, ...)."""
    index: Tensor
    """(batch,) int64, number of each sequence in its store; on the CPU."""
    source: Tensor
    """(batch,) int64, number of its store in the stream; on the CPU."""
    paths: tuple[str, ...]
    """Of the stores."""
    epoch: int
    number: int
    """Of the batch in the epoch."""

    @property
    def frames(self) -> Tensor:
        """(batch, time, y, x), uint8 of 255 or float of 1."""
        return self.arrays[FRAMES]

    @property
    def following(self) -> tuple[int, int]:
        """Epoch and batch from which a stream goes on after this one."""
        return self.epoch, self.number + 1

    @property
    def named(self) -> str:
        """The sequences as a user knows them, e.g. `3, 17 of rotation.zarr and 5 of intensity.zarr`."""
        of: dict[str, list[str]] = {}
        for index, source in zip(self.index.tolist(), self.source.tolist(), strict=True):
            of.setdefault(self.paths[source], []).append(str(index))
        return " and ".join(f"{', '.join(indices)} of {path}" for path, indices in of.items())

    def to(self, device: torch.device) -> Self:
        """Return the batch with its arrays on a device; from pinned memory they travel while the program goes on."""
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in self.arrays.items()}
        return replace(self, arrays=moved)

    def __getitem__(self, name: str) -> Tensor:
        """Return an array by name."""
        return self.arrays[name]

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.index)
