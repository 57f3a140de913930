"""Recurrent cells on a map of one pixel: their equations can be worked out by hand there."""

import math
from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

FORGET = 0.7310585786300049
"""sigma(1): what is left of a memory after one step without weights."""


def pixel(value: float) -> Tensor:
    """Return a map of one pixel: under zero padding only the middle of a kernel acts on it."""
    return torch.full((1, 1, 1, 1), value, dtype=torch.float64)


def filled(module: nn.Module, weight: float) -> nn.Module:
    """Give every weight one value, and every offset 0."""
    for name, parameter in module.double().named_parameters():
        nn.init.constant_(parameter, 0.0 if name.endswith("offset") else weight)
    return module


def outcomes_of_swaps(cell: nn.Module, weight: str, gates: int, given: Sequence[Tensor]) -> list[list[float]]:
    """Return what a cell of one channel, every weight another, makes of its states for each two gates swapped."""
    for number, row in enumerate((row for parameter in filled(cell, 0).parameters() for row in parameter.data), 1):
        row.fill_(0.1 * number / 3 * (-1) ** number)
    rows, outcomes = cell.get_parameter(weight).data, []
    for one, other in combinations(range(gates), 2):
        rows[[one, other]] = rows[[other, one]]
        outcomes.append([state.item() for state in cell(*given)])
        rows[[one, other]] = rows[[other, one]]
    return [[state.item() for state in cell(*given)], *outcomes]


def least_distance(outcomes: Sequence[Sequence[float]]) -> float:
    """Return how far apart the nearest two are."""
    return min(math.dist(one, other) for one, other in combinations(outcomes, 2))
