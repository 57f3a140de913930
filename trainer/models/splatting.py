"""
Move the mass of an image: what lies at x goes to x + displacement(x), and what arrives at one place adds up.

The counterpart of warping, which asks for each place where it comes from. As in `trainer.models.warping`, displacements
are (batch, 2, y, x) in px, first to the right, then downwards, and all is computed in float32 or better.
"""

import torch
from torch import Tensor

from trainer.models.warping import precise

_TAPS = 4
"""Pixels along each axis that a source reaches."""


def splat(image: Tensor, displacement: Tensor) -> Tensor:
    """
    Put every source pixel where it goes, spread over 4x4 pixels by Catmull-Rom weights.

    The weights of a source add up to 1 whatever the displacement, so mass is conserved but for what leaves the frame.
    Where all pixels move alike the result is the Catmull-Rom interpolation of the image::

        out(y) = sum_x image(x) c(y - x - d(x))        c(u, v) = c(u) c(v)
        c(u) = 1 - 5/2 |u|^2 + 3/2 |u|^3 for |u| <= 1,  2 - 4 |u| + 5/2 |u|^2 - 1/2 |u|^3 for 1 < |u| < 2

    Parameters
    ----------
    image : (batch, channel, y, x)
    displacement : (batch, 2, y, x), px

    Returns
    -------
    (batch, channel, y, x)
    """
    image, displacement = precise(image, displacement)
    batch, channels, y, x = image.shape
    columns, column_weights = _taps(torch.arange(x, device=image.device) + displacement[:, 0], x)
    rows, row_weights = _taps(torch.arange(y, device=image.device)[:, None] + displacement[:, 1], y)
    places = (rows[:, :, None] * (x + 2) + columns[:, None]).flatten(1)  # (batch, row tap * column tap * y * x)
    weights = (row_weights[:, :, None] * column_weights[:, None]).flatten(1, 2)  # (batch, tap, y, x)
    masses = (image[:, :, None] * weights[:, None]).flatten(2)
    ringed = image.new_zeros(batch, channels, (y + 2) * (x + 2))
    ringed = ringed.scatter_add(2, places[:, None].expand(-1, channels, -1), masses)
    return ringed.view(batch, channels, y + 2, x + 2)[..., 1:-1, 1:-1]


def _taps(targets: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """
    Return the places along one axis that are reached, and the weights there.

    The places are (batch, tap, y, x) and count from a ring of one pixel around the image, in which all that lies
    outside is; the weights have the same shape and sum to 1.
    """
    first = targets.detach().floor()
    part = (targets - first)[:, None]
    square, cube = part**2, part**3
    weights = torch.cat(
        (
            -part / 2 + square - cube / 2,
            1 - 5 / 2 * square + 3 / 2 * cube,
            part / 2 + 2 * square - 3 / 2 * cube,
            (cube - square) / 2,
        ),
        1,
    )
    offsets = torch.arange(-1, _TAPS - 1, device=targets.device)[:, None, None]
    return (first[:, None].long() + offsets).clamp(-1, length) + 1, weights
