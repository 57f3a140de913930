"""Lagrangian persistence: the newest frame moved on by its optical flow, as pysteps does it."""

import io
from contextlib import redirect_stdout
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

LEAST_RAIN = 0.1
"""mm/h below which there is no rain to follow (pysteps takes decibels, which need a least value)."""
NO_RAIN = -15.0
"""dB that stand for less rain than that."""


@cache
def available() -> bool:
    """Return whether pysteps and OpenCV, which it follows things with, are installed."""
    try:
        import cv2  # noqa: F401

        with redirect_stdout(io.StringIO()):  # it prints where its settings lie
            import pysteps  # noqa: F401
    except ImportError:
        return False
    return True


def extrapolated(rain: Tensor, horizon: int) -> Tensor:
    """
    Return rain moved on by the flow of pysteps' Lucas-Kanade method (Pulkkinen et al., GMD 2019).

    The newest map is moved on by semi-Lagrangian advection. What comes in from outside is unknown: there the newest map
    stands still. Without rain, or without two places to follow, all of it does.

    Parameters
    ----------
    rain : (batch, time, channel, y, x), mm/h, the input frames; 0 where there are no data
    horizon : frames to forecast

    Returns
    -------
    (batch, horizon, channel, y, x), mm/h
    """
    moved = [_moved(sequence.cpu().numpy(), horizon) for sequence in rain.double()[:, :, 0]]
    return torch.from_numpy(np.stack(moved))[:, :, None].to(rain)


def _moved(rain: Any, horizon: int) -> Any:
    """Return (horizon, y, x) of (time, y, x)."""
    from pysteps.extrapolation.semilagrangian import extrapolate
    from pysteps.motion.lucaskanade import dense_lucaskanade

    still = np.broadcast_to(rain[-1], (horizon, *rain.shape[1:]))
    decibels = np.where(rain >= LEAST_RAIN, 10 * np.log10(np.maximum(rain, LEAST_RAIN)), NO_RAIN)
    if (decibels[-1] == NO_RAIN).all():
        return still
    flow = dense_lucaskanade(decibels)
    if not np.isfinite(flow).all():
        return still
    moved = extrapolate(rain[-1], flow, horizon)
    return np.where(np.isfinite(moved), moved, still)
