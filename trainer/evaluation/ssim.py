"""
Structural similarity of frames (Wang, Bovik, Sheikh, Simoncelli, IEEE TIP 2004), in float64.

Windows lie wholly inside the frame. They are filtered by shifted sums of chunks that stay in a processor's cache: four
times as fast as pooling or products with band matrices at 128 px. Float32 would not do: on even ground it leaves 1e-7
of a variance that is compared with 9e-4.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

K1, K2 = 0.01, 0.03
"""Stabilisers of luminance and contrast, of the data range (Wang et al. 2004)."""
CHUNK_PIXELS = 2**18


class _Window(NamedTuple):
    taps: tuple[float, ...]
    """Weights along y and along x, with the sum 1."""
    correction: float
    """What makes a population's variance a sample's."""


_BELL = [math.exp(-0.5 * (offset / 1.5) ** 2) for offset in range(-5, 6)]
_UNIFORM = _Window((1 / 7,) * 7, 49 / 48)
_GAUSSIAN = _Window(tuple(weight / sum(_BELL) for weight in _BELL), 1.0)


def ssim(forecast: Tensor, target: Tensor, valid: Tensor | None = None, *, data_range: float = 1.0) -> Tensor:
    """
    Return the structural similarity of frames, 7x7 uniform windows with sample covariance (scikit-image's default).

    Parameters
    ----------
    forecast, target : (batch, time, channel, y, x) of one shape
    valid : (batch, time, channel or 1, y, x) bool, true where there are data; a window counts if all its pixels are
    data_range : largest value less smallest possible value

    Returns
    -------
    (batch, time) float64 in [-1, 1], mean over windows and channels; NaN where no window counts
    """
    return _mean_similarity(forecast, target, valid, _UNIFORM, data_range)


def ssim_gaussian(forecast: Tensor, target: Tensor, valid: Tensor | None = None, *, data_range: float = 1.0) -> Tensor:
    """
    Return the structural similarity of frames as first published: 11x11 Gaussian windows, population covariance.

    Parameters
    ----------
    forecast, target : (batch, time, channel, y, x) of one shape
    valid : (batch, time, channel or 1, y, x) bool, true where there are data; a window counts if all its pixels are
    data_range : largest value less smallest possible value

    Returns
    -------
    (batch, time) float64 in [-1, 1], mean over windows and channels; NaN where no window counts
    """
    return _mean_similarity(forecast, target, valid, _GAUSSIAN, data_range)


def _mean_similarity(
    forecast: Tensor, target: Tensor, valid: Tensor | None, window: _Window, data_range: float
) -> Tensor:
    batch, time, channels, y, x = target.shape
    if min(y, x) < len(window.taps):
        return torch.full((batch, time), math.nan, dtype=torch.float64, device=target.device)
    known = torch.ones_like(target, dtype=torch.bool) if valid is None else valid.expand_as(target)
    forecast, target, known = (tensor.reshape(-1, y, x) for tensor in (forecast, target, known))
    frames = max(1, CHUNK_PIXELS // (y * x))
    chunks = [slice(first, first + frames) for first in range(0, len(target), frames)]
    sums = torch.cat(
        [_window_sums(forecast[part], target[part], known[part], window, data_range) for part in chunks], dim=1
    )
    sums = sums.view(2, batch, time, channels).sum(dim=-1)
    return sums[0] / sums[1]


def _window_sums(forecast: Tensor, target: Tensor, known: Tensor, window: _Window, data_range: float) -> Tensor:
    """Return the sum of the similarities of whole windows and their number: (2, frame)."""
    a, b = (torch.where(known, frames, 0).double() for frames in (forecast, target))
    mean_a, mean_b, squares, products = _filtered(torch.stack((a, b, a * a + b * b, a * b)), window.taps)
    product_of_means, squared_means = mean_a * mean_b, mean_a.square() + mean_b.square()
    variances = window.correction * (squares - squared_means)
    covariance = window.correction * (products - product_of_means)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    luminance = (2 * product_of_means + c1) / (squared_means + c1)
    similarity = luminance * (2 * covariance + c2) / (variances + c2)
    whole = _filtered((~known).double(), (1.0,) * len(window.taps)) == 0
    return torch.stack((torch.where(whole, similarity, 0).sum(dim=(-2, -1)), whole.sum(dim=(-2, -1))))


def _filtered(frames: Tensor, taps: tuple[float, ...]) -> Tensor:
    """Return the sums of (..., y, x) weighted by taps along y and along x, of whole windows only."""
    for axis in (-2, -1):
        length = frames.shape[axis] - len(taps) + 1
        total = frames.narrow(axis, 0, length) * taps[0]
        for shift, tap in enumerate(taps[1:], start=1):
            total.add_(frames.narrow(axis, shift, length), alpha=tap)
        frames = total
    return frames
