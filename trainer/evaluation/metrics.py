"""
What is measured of each frame, as numerators and denominators: any mean of them over frames is exact later.

A score that is a mean over frames has the frame's score over 1. One that is a ratio of counts (CSI, POD, FAR) has the
counts, since a mean of ratios over frames would weigh a frame with one wet pixel like one with thousands.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trainer.evaluation.ssim import ssim, ssim_gaussian
from trainer.training.losses import RAIN_RATES, RAIN_WEIGHTS, ROUNDING, balanced_square

BEST_PSNR = 100.0
"""What a frame without error counts for, dB; infinity would be the mean of all."""
_FRAME = (2, 3, 4)  # axes of one frame: channel, y, x


class Metric(NamedTuple):
    """What a number means, for tables and JSON."""

    definition: str
    """Reduction and value range of what enters."""
    unit: str
    lowest: float | None
    highest: float | None
    """None where there is no bound, as below."""
    better: Literal["lower", "higher"]


def describe(unit: str, scale: float, thresholds: Sequence[float]) -> dict[str, Metric]:
    """
    Return every metric by name, in the order of tables.

    Parameters
    ----------
    unit : of the data, e.g. "grey level" or "mm/h"
    scale : what a full-scale pixel is in that unit
    thresholds : in that unit, > 0; each has a CSI, a POD and a FAR
    """
    data = f"full scale {scale:g} {unit}"
    square = f"({unit})^2"
    metrics = {
        "mse_sum": Metric("squared error, full scale 1, sum over a frame, mean over frames", "1", 0, None, "lower"),
        "mse_mean": Metric(f"squared error, {data}, mean over pixels and frames", square, 0, None, "lower"),
        "mae": Metric(f"absolute error, {data}, mean over pixels and frames", unit, 0, None, "lower"),
        "psnr": Metric(
            "-10 log10 of a frame's mean squared error, full scale 1, mean over frames", "dB", None, BEST_PSNR, "higher"
        ),
        "ssim": Metric(
            "structural similarity, 7x7 uniform windows, sample covariance, data range 1, mean over frames",
            "1",
            -1,
            1,
            "higher",
        ),
        "ssim_gaussian": Metric(
            "structural similarity, 11x11 Gaussian windows, data range 1, mean over frames", "1", -1, 1, "higher"
        ),
        "b_mse": Metric(
            f"squared error, {data}, weighted {_listed(RAIN_WEIGHTS)} from {_listed((0, *RAIN_RATES))} {unit} of the "
            "truth, mean over pixels and frames",
            square,
            0,
            None,
            "lower",
        ),
    }
    for threshold in thresholds:
        event = f"pixels of all frames at or above {threshold:g} {unit}"
        metrics |= {
            f"csi_{threshold:g}": Metric(f"hits / (hits + misses + false alarms), {event}", "1", 0, 1, "higher"),
            f"pod_{threshold:g}": Metric(f"hits / (hits + misses), {event}", "1", 0, 1, "higher"),
            f"far_{threshold:g}": Metric(f"false alarms / (hits + false alarms), {event}", "1", 0, 1, "lower"),
        }
    return metrics


def measure(
    forecast: Tensor, target: Tensor, valid: Tensor | None, *, scale: float, limit: float, thresholds: Sequence[float]
) -> dict[str, Tensor]:
    """
    Return numerator and denominator of every metric for every frame.

    Values are clipped to [0, limit]. A frame that holds a value which is no finite number has the numerator NaN; one
    without a valid pixel, or for SSIM without a whole window of them, has 0 over 0 and so takes no part.

    Parameters
    ----------
    forecast, target : (batch, time, channel, y, x) of one shape, fractions of full scale
    valid : (batch, time, channel or 1, y, x) bool, true where there are data; None for everywhere
    scale, thresholds : as `describe` has them
    limit : largest fraction of full scale, 1 for pictures, infinity for rain rates

    Returns
    -------
    (2, batch, time) float64 by name
    """
    known = torch.ones_like(target, dtype=torch.bool) if valid is None else valid.bool().expand_as(target)
    forecast, target = (torch.where(known, frames, 0).double() for frames in (forecast, target))
    broken = ~(forecast - target).sum(dim=_FRAME).isfinite()
    forecast, target = forecast.clamp(0, limit), target.clamp(0, limit)
    pixels = known.sum(dim=_FRAME)
    error = forecast - target
    square = error.square().sum(dim=_FRAME) / pixels
    scores = {
        "mse_sum": square * pixels,
        "mse_mean": square * scale**2,
        "mae": error.abs().sum(dim=_FRAME) / pixels * scale,
        "psnr": (-10 * square.log10()).clamp(max=BEST_PSNR),
        "ssim": ssim(forecast, target, valid),
        "ssim_gaussian": ssim_gaussian(forecast, target, valid),
        "b_mse": balanced_square(forecast, target, scale).sum(dim=_FRAME) / pixels,
    }
    sums = {name: torch.stack((score.nan_to_num(), (~score.isnan()).double())) for name, score in scores.items()}
    for threshold in thresholds:
        sums |= _contingency(forecast, target, threshold, scale)
    return {name: torch.stack((frame[0].masked_fill(broken, math.nan), frame[1])) for name, frame in sums.items()}


def _contingency(forecast: Tensor, target: Tensor, threshold: float, scale: float) -> dict[str, Tensor]:
    """Return the counts of the scores at one threshold; what is not valid is 0 in both and so no event."""
    foreseen, happened = (frames * scale >= threshold * (1 - ROUNDING) for frames in (forecast, target))
    hits = (foreseen & happened).sum(dim=_FRAME).double()
    foreseen_count, happened_count = foreseen.sum(dim=_FRAME), happened.sum(dim=_FRAME)
    return {
        f"csi_{threshold:g}": torch.stack((hits, foreseen_count + happened_count - hits)),
        f"pod_{threshold:g}": torch.stack((hits, happened_count)),
        f"far_{threshold:g}": torch.stack((foreseen_count - hits, foreseen_count)),
    }


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{number:g}" for number in numbers)
