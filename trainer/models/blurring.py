"""Blur an image by as much as its place is uncertain: a mixture of a sharp copy and two Gaussian ones."""

import math
from typing import Final

import torch
from torch import Tensor

DEVIATIONS: Final = (0.0, 0.8, 1.6)
"""Standard deviations of the copies, px."""
WIDEST: Final = DEVIATIONS[-1] ** 2
"""Largest variance that a mixture of them has, px^2."""


def copies(image: Tensor) -> Tensor:
    """
    Return (batch, copy, y, x) blurred copies of an image; its border goes on outside.

    Parameters
    ----------
    image : (batch, 1, y, x)
    """
    return torch.cat([blurred(image, deviation) for deviation in DEVIATIONS], 1)


def shares(variance: Tensor) -> Tensor:
    """
    Return the share of each copy in a mixture of a given variance: linear between the two copies next to it.

    Parameters
    ----------
    variance : (batch, 1, y, x), px^2, >= 0; what is above `WIDEST` counts as that

    Returns
    -------
    (batch, copy, y, x), >= 0; they sum to 1
    """
    variance = variance.clamp(max=WIDEST)
    squares = [deviation**2 for deviation in DEVIATIONS]
    wide = ((variance - squares[1]) / (squares[2] - squares[1])).clamp(min=0)
    sharp = (1 - variance / squares[1]).clamp(min=0)
    return torch.cat((sharp, 1 - sharp - wide, wide), 1)


def blurred(image: Tensor, deviation: float, *, mass: bool = False) -> Tensor:
    """
    Convolve with a Gaussian, cut off at 3 standard deviations.

    Parameters
    ----------
    image : (batch, channel, y, x)
    deviation : px; 0 for none
    mass : what leaves the frame is gone and nothing comes in; otherwise the border goes on outside
    """
    if not deviation:
        return image
    down, across = (_matrix(image, length, deviation, mass=mass) for length in image.shape[-2:])
    with torch.autocast(image.device.type, enabled=False):  # bfloat16 has fewer grey levels than a frame
        return down @ image @ across.T


def _matrix(image: Tensor, length: int, deviation: float, *, mass: bool) -> Tensor:
    """Return (to, from) the convolution along one axis; a product of small matrices is faster than a convolution."""
    radius = math.ceil(3 * deviation)
    offsets = torch.arange(-radius, radius + 1, device=image.device)
    kernel = torch.softmax(-(offsets.to(image.dtype) ** 2) / (2 * deviation**2), 0)
    targets = torch.arange(length, device=image.device)[:, None].expand(-1, len(offsets))
    sources = targets + offsets
    inside = (sources >= 0) & (sources < length)
    weights = kernel * inside if mass else kernel.expand_as(sources)
    return image.new_zeros(length, length).scatter_add(1, sources.clamp(0, length - 1), weights.contiguous())
