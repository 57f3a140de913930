"""Confidence intervals by drawing whole sequences anew: the frames of one sequence are no independent evidence."""

import math

import torch
from torch import Tensor

RESAMPLES = 1000
LEVEL = 0.95


def resample_counts(sequences: int, seed: int) -> Tensor:
    """
    Return how often each resample holds each sequence.

    Parameters
    ----------
    sequences : how many there are, and how many each resample draws with replacement
    seed : of the draws; with the same one, two models are judged on the same resamples

    Returns
    -------
    (resample, sequence) float64, rows sum to the number of sequences; no row where a single one shows no spread
    """
    resamples = RESAMPLES if sequences > 1 else 0
    drawn = torch.randint(sequences, (resamples, sequences), generator=torch.Generator().manual_seed(seed))
    counts = torch.zeros(resamples, sequences, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones_like(counts))


def interval(values: Tensor) -> Tensor:
    """
    Return the percentile interval that holds 95 % of the resampled values.

    Parameters
    ----------
    values : (resample, ...) float64; a resample without a value, such as a ratio of nothing to nothing, is NaN

    Returns
    -------
    (2, ...) lower and upper end; NaN where no resample has a value
    """
    if not len(values):
        return values.new_full((2, *values.shape[1:]), math.nan)
    tail = (1 - LEVEL) / 2
    return values.nanquantile(values.new_tensor((tail, 1 - tail)), dim=0)
