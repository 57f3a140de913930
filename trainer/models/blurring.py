"""Blur an image by as much as its place is uncertain: a mixture of a sharp copy and two Gaussian ones."""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

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
    image : (batch, 1, y, x)
    deviation : px; 0 for none
    mass : what leaves the frame is gone and nothing comes in; otherwise the border goes on outside
    """
    if not deviation:
        return image
    radius = math.ceil(3 * deviation)
    offsets = torch.arange(-radius, radius + 1, device=image.device, dtype=image.dtype)
    kernel = torch.softmax(-(offsets**2) / (2 * deviation**2), 0)
    image = pad(image, (radius,) * 4, "constant" if mass else "replicate")
    with torch.autocast(image.device.type, enabled=False):  # bfloat16 has fewer grey levels than a frame
        return conv2d(conv2d(image, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
