"""Whether the gates give each object to the expert of its property: the largest weight against the known truth."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

TIE = "tie"
"""Who wins a pixel where several experts have the largest weight."""


class Attribution:
    """
    Count which expert has the largest weight where exactly one property acts.

    A pixel counts where the truth has exactly one property, that of the object in front; background and objects of
    several properties do not. A tie is won by nobody: gates that treat all experts alike attribute nothing.

    Parameters
    ----------
    experts : names, in the order of the weights
    properties : bit in the mask by name; those without an expert of their name are left out
    horizon : lead times

    Attributes
    ----------
    counts : (property, lead time, expert + 1) int64, pixels by who has the largest weight there, ties last
    """

    def __init__(self, experts: Sequence[str], properties: Mapping[str, int], horizon: int) -> None:
        self.experts = tuple(experts)
        self._bits = {name: properties[name] for name in experts if name in properties}
        self.counts = torch.zeros(len(self._bits), horizon, len(experts) + 1, dtype=torch.int64)

    def update(self, log_weights: Tensor, property_mask: Tensor) -> None:
        """
        Count a batch of sequences.

        Parameters
        ----------
        log_weights : (batch, time, expert, y, x), of the gates
        property_mask : (batch, time, y, x) uint8, of the frames forecast: bits of the properties that act there

        Raises
        ------
        ValueError
            the shapes do not belong together.
        """
        batch, time, experts, *frame = log_weights.shape
        if (time, experts + 1) != self.counts.shape[1:] or property_mask.shape != (batch, time, *frame):
            raise ValueError(
                f"weights (batch, time, expert, y, x) have the shape {tuple(log_weights.shape)}, the mask has "
                f"{tuple(property_mask.shape)}; {self.counts.shape[1]} lead times of {len(self.experts)} experts "
                "were to be expected"
            )
        winners = _winners(log_weights)
        for row, bit in enumerate(self._bits.values()):
            self.counts[row] += (winners & (property_mask == bit)[:, :, None]).sum((0, 3, 4)).cpu()

    def summary(self) -> dict[str, dict[str, Any]]:
        """
        Return the shares of every property, ready for JSON.

        Returns
        -------
        by property: pixels, how many were counted; share of them whose largest weight is the right expert's, over all
        and per_lead_time; winners, the share by expert, and of ties. None where nothing was counted
        """
        return {name: self._entry(name, counts) for name, counts in zip(self._bits, self.counts, strict=True)}

    def _entry(self, name: str, counts: Tensor) -> dict[str, Any]:
        right = self.experts.index(name)
        pixels = int(counts.sum())
        shares = (counts.sum(0) / pixels).tolist() if pixels else [None] * counts.shape[1]
        return {
            "pixels": pixels,
            "share": shares[right],
            "per_lead_time": [int(row[right]) / int(row.sum()) if row.any() else None for row in counts],
            "winners": dict(zip((*self.experts, TIE), shares, strict=True)),
        }


def _winners(log_weights: Tensor) -> Tensor:
    """Return who has the largest weight, (batch, time, expert + 1, y, x) bool; the last are ties."""
    largest = log_weights == log_weights.amax(2, keepdim=True)
    tie = largest.sum(2, keepdim=True) > 1
    return torch.cat((largest & ~tie, tie), 2)
