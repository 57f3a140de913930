"""Normalisation that does not depend on the batch, for networks that see real frames and then their own forecasts."""

from typing import Final

from torch import nn

MOST_GROUPS: Final = 8


def group_norm(channels: int, *, affine: bool = True) -> nn.GroupNorm:
    """
    Normalise groups of channels of each sample (Wu and He, Group Normalization, 2018).

    Batch normalisation would mix the statistics of real and forecast frames in its running averages, which fit neither.

    Parameters
    ----------
    channels : >= 1; split into the largest number of equal groups that is at most 8 and leaves 2 channels in a group
    affine : whether each channel has a scale and a shift to learn
    """
    most = max(1, min(MOST_GROUPS, channels // 2))
    groups = next(count for count in range(most, 0, -1) if channels % count == 0)
    return nn.GroupNorm(groups, channels, affine=affine)
