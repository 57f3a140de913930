"""
Move an image along a field of motion: the new value at x is the old one at x - flow(x).

Flows are (batch, 2, y, x) in px/frame, first to the right, then downwards, and point along the motion. All is computed
in float32 or better, under autocast too: in bfloat16 a source at column 100 would be off by up to a quarter of a px.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

Sampling = Literal["bilinear", "bicubic"]
Padding = Literal["border", "zeros"]


def warp(image: Tensor, flow: Tensor, *, sampling: Sampling, padding: Padding) -> Tensor:
    """
    Advect: `out(x) = image(x - flow(x))`, interpolated between pixels.

    Parameters
    ----------
    image : (batch, channel, y, x)
    flow : (batch, 2, y, x), px
    sampling : bilinear, or bicubic (cubic convolution with a = -3/4), which stays sharper when repeated and overshoots
        a little
    padding : what lies outside the image, its border value or zeros

    Returns
    -------
    (batch, channel, y, x), float32 or better
    """
    image, flow = precise(image, flow)
    y, x = flow.shape[-2:]
    # grid_sample counts from -1 to 1, here between the outer edges of the outer pixels: unlike between their centres
    # (align_corners=True) that is free of rounding where y and x are powers of 2, so a flow of zeros is the identity.
    columns = (2 * (torch.arange(x, device=flow.device) - flow[:, 0]) + 1 - x) / x
    rows = (2 * (torch.arange(y, device=flow.device)[:, None] - flow[:, 1]) + 1 - y) / y
    sources = torch.stack((columns, rows), -1)  # (batch, y, x, component)
    return nn.functional.grid_sample(image, sources, mode=sampling, padding_mode=padding, align_corners=False)


def warp_gaussian(image: Tensor, flow: Tensor, diffusion: float, *, padding: Padding) -> Tensor:
    """
    Advect and diffuse for one frame (de Bezenac et al., Deep learning for physical processes, 2018, equation 5).

    With the source s = x - flow(x), the nearest pixel c to it and offsets r up to 3 sigma in each direction::

        out(x) = sum_r w(r) image(c + r) / sum_r w(r)        w(r) = exp(-|s - c - r|^2 / (2 sigma^2))
        sigma^2 = 2 diffusion

    The division keeps brightness where sigma is small and the sum depends on where between pixels s lies. The gradient
    passes s by, through w; c is constant to it.

    Parameters
    ----------
    image : (batch, channel, y, x)
    flow : (batch, 2, y, x), px
    diffusion : px^2 in the time of the flow, > 0
    padding : what lies outside the image, its border value or zeros

    Returns
    -------
    (batch, channel, y, x), float32 or better
    """
    image, flow = precise(image, flow)
    y, x = flow.shape[-2:]
    columns, column_weights = _window(torch.arange(x, device=flow.device) - flow[:, 0], x, 2 * diffusion)
    rows, row_weights = _window(torch.arange(y, device=flow.device)[:, None] - flow[:, 1], y, 2 * diffusion)
    ringed = nn.functional.pad(image, (1, 1, 1, 1), "replicate" if padding == "border" else "constant")
    places = rows[:, :, None] * (x + 2) + columns[:, None]  # (batch, row, column, y, x)
    of_all_channels = places.flatten(1)[:, None].expand(-1, image.shape[1], -1)
    taps = ringed.flatten(2).gather(2, of_all_channels).view(*image.shape[:2], *places.shape[1:])
    in_rows = (taps * column_weights[:, None, None]).sum(3)  # (batch, channel, row, y, x)
    moved: Tensor = (in_rows * row_weights[:, None]).sum(2)
    return moved


def compose_flows(earlier: Tensor, later: Tensor) -> Tensor:
    """
    Return the flow that moves as `earlier` and then `later`: `later(x) + earlier(x - later(x))`.

    Sampling one image along it blurs once, where warping forecast after forecast blurs again each time. A pixel that
    came in over the border moved earlier as the border did.

    Parameters
    ----------
    earlier, later : (batch, 2, y, x), px

    Returns
    -------
    (batch, 2, y, x), px
    """
    return later + warp(earlier, later, sampling="bilinear", padding="border")


def precise(image: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return an image and a flow in float32, or better if one of them is, which tells parts of a pixel."""
    dtype = torch.promote_types(torch.promote_types(image.dtype, flow.dtype), torch.float32)
    return image.to(dtype), flow.to(dtype)


def _window(sources: Tensor, length: int, variance: float) -> tuple[Tensor, Tensor]:
    """
    Return the places along one axis that a Gaussian about each source covers, and its weights there.

    The places are (batch, tap, y, x) and count from a ring of one pixel around the image, in which all that lies
    outside is; the weights have the same shape and sum to 1.
    """
    radius = math.ceil(3 * math.sqrt(variance))
    offsets = torch.arange(-radius, radius + 1, device=sources.device)[:, None, None]
    nearest = sources.detach().round()[:, None]
    distances = sources[:, None] - (nearest + offsets)
    weights = (-(distances**2) / (2 * variance)).softmax(1)  # a plain quotient is 0/0 where sigma is far below a pixel
    return (nearest.long() + offsets).clamp(-1, length) + 1, weights
