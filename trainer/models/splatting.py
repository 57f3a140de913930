"""
Move the mass of an image: what lies at x goes to x + displacement(x), and what arrives at one place adds up.

The counterpart of warping, which asks for each place where it comes from. As in `trainer.models.warping`, displacements
are (batch, 2, y, x) in px, first to the right, then downwards, and all is computed in float32 or better.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

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
    y, x = image.shape[-2:]
    columns = torch.arange(x, device=image.device) + displacement[:, 0]
    rows = torch.arange(y, device=image.device)[:, None] + displacement[:, 1]
    moved: Tensor = _Splat.apply(image, columns, rows)  # type: ignore[no-untyped-call]
    return moved


class _Splat(torch.autograd.Function):
    """Splat tap by tap, which keeps what is worked on in the cache: autograd's own way takes twice as long."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
        """Return (batch, channel, y, x); columns and rows are (batch, y, x), where each pixel goes."""
        batch, channels, y, x = image.shape
        (across, part_across), (down, part_down) = _places(columns, x), _places(rows, y)
        ctx.save_for_backward(image, across, part_across, down, part_down)
        weights_across, weights_down = _weights(part_across), _weights(part_down)
        ringed = image.new_zeros(batch, channels, (y + 2) * (x + 2))
        for i in range(_TAPS):
            in_row = image * weights_down[i]
            for j in range(_TAPS):
                ringed.scatter_add_(2, _flat(down[i], across[j], image), (in_row * weights_across[j]).flatten(2))
        return ringed.view(batch, channels, y + 2, x + 2)[..., 1:-1, 1:-1]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients with respect to image, columns and rows."""
        image, across, part_across, down, part_down = ctx.saved_tensors
        weights_across, weights_down = _weights(part_across), _weights(part_down)
        slopes_across, slopes_down = _slopes(part_across), _slopes(part_down)
        ringed = pad(gradient, (1, 1, 1, 1)).flatten(2)
        of_image, of_columns, of_rows = (torch.zeros_like(image) for _ in range(3))
        for i in range(_TAPS):
            value, slope = torch.zeros_like(image), torch.zeros_like(image)
            for j in range(_TAPS):
                arrived = ringed.gather(2, _flat(down[i], across[j], image)).view_as(image)
                value.addcmul_(arrived, weights_across[j])
                slope.addcmul_(arrived, slopes_across[j])
            of_image.addcmul_(value, weights_down[i])
            of_columns.addcmul_(slope, weights_down[i])
            of_rows.addcmul_(value, slopes_down[i])
        return of_image, (of_columns * image).sum(1), (of_rows * image).sum(1)


def _places(targets: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """
    Return the places along one axis that are reached, (tap, batch, y, x), and the part of a pixel behind the second.

    Places count from a ring of one pixel around the image, in which all that lies outside is.
    """
    second = targets.floor()
    offsets = torch.arange(-1, _TAPS - 1, device=targets.device)[:, None, None, None]
    return (second.long() + offsets).clamp(-1, length) + 1, targets - second


def _flat(down: Tensor, across: Tensor, image: Tensor) -> Tensor:
    """Return (batch, y, x) places in the ringed image as (batch, channel, y * x) indices."""
    places = down * (image.shape[-1] + 2) + across
    return places.flatten(1)[:, None].expand(-1, image.shape[1], -1)


def _weights(part: Tensor) -> Tensor:
    """Return c(u) of the four taps, (tap, batch, 1, y, x)."""
    square = part * part
    cube = square * part
    taps = (
        square - (part + cube) / 2,
        1 - 5 / 2 * square + 3 / 2 * cube,
        part / 2 + 2 * square - 3 / 2 * cube,
        (cube - square) / 2,
    )
    return torch.stack(taps).unsqueeze(2)


def _slopes(part: Tensor) -> Tensor:
    """Return the derivatives of the weights with respect to the part."""
    square = part * part
    taps = (
        2 * part - (1 + 3 * square) / 2,
        9 / 2 * square - 5 * part,
        1 / 2 + 4 * part - 9 / 2 * square,
        3 / 2 * square - part,
    )
    return torch.stack(taps).unsqueeze(2)
