"""
What is minimised: Barron's general robust loss and the terms of equations 7 and 8, motion, and balanced error.

Every function computes in float32 or wider, whatever its arguments and autocast say: residuals of half precision lose
what is small, and overflow where they are squared.
"""

import math

import torch
from torch import Tensor

from trainer.models.stmoe import Forecast

LARGEST_ERROR = 1e15
"""Errors, in units of c, count at most so: their squares would overflow in float32."""
CHARBONNIER_EPSILON = 1e-3
"""Errors below it, as a fraction of full scale, count as squares."""
RAIN_RATES = (2.0, 5.0, 10.0, 30.0)
"""Where the weight of a rain rate changes, mm/h (Shi et al. 2017)."""
RAIN_WEIGHTS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Weight below the first of the rates, from it to the second, and so on."""
ROUNDING = 1e-6
"""A value this much below a threshold, relatively, has reached it: a stored 30 mm/h may be 29.999999 in float32."""


def robust_loss(x: Tensor, alpha: float, c: float) -> Tensor:
    """
    Return the general robust loss rho of every element (Barron, CVPR 2019).

    With z = (x/c)^2 and b = |alpha - 2|, rho = (b/alpha) ((z/b + 1)^(alpha/2) - 1), and its limits where that is 0/0.
    Even in x, 0 at 0, x^2 / (2 c^2) for |x| much below c. Evaluated through log1p and expm1, which lose no digits
    where alpha or x is small. Infinity and what is no number become NaN, for the training loop to see.

    Parameters
    ----------
    x : errors, any shape
    alpha : shape; 2 is squared error, 1 Charbonnier, 0 Cauchy, -2 Geman-McClure, -inf Welsch
    c : scale, > 0, in the unit of x
    """
    x = _wide(x)
    z = torch.where(x.isfinite(), (x / c).clamp(-LARGEST_ERROR, LARGEST_ERROR), math.nan).square()
    if alpha == 2:
        return z / 2
    if alpha == 0:
        return torch.log1p(z / 2)
    if alpha == -math.inf:
        return -torch.expm1(-z / 2)
    b = abs(alpha - 2)
    return (b / alpha) * torch.expm1((alpha / 2) * torch.log1p(z / b))


def entropy(log_weights: Tensor) -> Tensor:
    """
    Return -w log w of every weight.

    Parameters
    ----------
    log_weights : log w <= 0, any shape, from log-softmax or log-sigmoid; their -1000 give 0, with gradient 0

    Returns
    -------
    (as given) in [0, 1/e]; 0.3662 at w = 1/3, and 0 only at w = 0 and w = 1
    """
    log_weights = _wide(log_weights)
    return -log_weights.exp() * log_weights


def smoothness(weights: Tensor, alpha: float, c: float) -> Tensor:
    """
    Return the mean of rho(W_{s+1} - W_s): how much weights change over time (equation 7, models.md A4 to A7).

    Parameters
    ----------
    weights : (batch, time, expert, y, x) in [0, 1]
    alpha, c : shape and scale of rho

    Returns
    -------
    () 0 where there is one time only
    """
    if weights.shape[1] < 2:
        return _wide(weights.new_zeros(()))
    return robust_loss(_wide(weights).diff(dim=1), alpha, c).mean()


def charbonnier(error: Tensor) -> Tensor:
    """
    Return sqrt(error^2 + eps^2) of every element, eps = 1e-3 (de Bezenac et al. 2018, equation 6).

    Parameters
    ----------
    error : forecast less target as a fraction of full scale, any shape
    """
    return (_wide(error).square() + CHARBONNIER_EPSILON**2).sqrt()


def flow_regulariser(flow: Tensor, *, divergence: float, gradient: float, magnitude: float) -> Tensor:
    """
    Return the weighted means of (div w)^2, |grad w|^2 and |w|^2 (de Bezenac et al. 2018, equation 6).

    Forward differences without padding; each mean is over the positions where its differences exist. A negative weight
    of the magnitude rewards motion without bound: a uniform flow costs nothing else.

    Parameters
    ----------
    flow : (batch, component, y, x) px/frame, x right and y down; at least 2 px a side
    divergence, gradient, magnitude : weights, frame^2 or frame^2/px^2
    """
    flow = _wide(flow)
    over_x, over_y = (
        flow.diff(dim=-1),
        flow.diff(dim=-2),
    )  # (batch, component, y, x - 1) and (batch, component, y - 1, x)
    divergences = over_x[:, 0, :-1] + over_y[:, 1, :, :-1]
    gradients = over_x.square().mean() + over_y.square().mean()
    components = flow.shape[1]  # the means above are over both of them, the norms are sums
    return (
        divergence * divergences.square().mean()
        + gradient * components * gradients
        + magnitude * components * flow.square().mean()
    )


def global_loss(
    forecast: Forecast,
    target: Tensor,
    *,
    alpha: float,
    c: float,
    regulariser_alpha: float,
    regulariser_c: float,
    entropy_weight: float | Tensor,
    smoothness_weight: float,
    magnitude_weight: float,
    valid: Tensor | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """
    Return the loss of the global phase, and its terms (equation 8, models.md A4 to A7).

    mean rho(frames - target) + entropy_weight mean rho'(-W log W) + smoothness_weight mean rho'(W_{s+1} - W_s)
    + magnitude_weight mean rho'(W), with rho of (alpha, c) and rho' of the regularisers' own.

    Parameters
    ----------
    forecast : frames (batch, n, channel, y, x) and log_weights (batch, n, expert, y, x)
    target : (batch, n, channel, y, x) in [0, 1]
    alpha, c : shape and scale of rho for the reconstruction
    regulariser_alpha, regulariser_c : of rho' for the three regularisers
    entropy_weight, smoothness_weight, magnitude_weight : >= 0, the first already ramped, and so maybe ()
    valid : (batch, n, channel, y, x) bool, where the target is known; None for everywhere

    Returns
    -------
    total : () with its graph
    terms : () each, without graph and weight: reconstruction, entropy, smoothness, magnitude
    """
    weights = _wide(forecast.log_weights).exp()
    shape = (regulariser_alpha, regulariser_c)
    terms = {
        "reconstruction": mean_where(robust_loss(_wide(forecast.frames) - _wide(target), alpha, c), valid),
        "entropy": robust_loss(entropy(forecast.log_weights), *shape).mean(),
        "smoothness": smoothness(weights, *shape),
        "magnitude": robust_loss(weights, *shape).mean(),
    }
    total = (
        terms["reconstruction"]
        + entropy_weight * terms["entropy"]
        + smoothness_weight * terms["smoothness"]
        + magnitude_weight * terms["magnitude"]
    )
    return total, {name: term.detach() for name, term in terms.items()}


def mean_where(values: Tensor, valid: Tensor | None) -> Tensor:
    """
    Return the mean over sequences of the mean over each one's known values.

    A sequence counts as much as another however much of it is known, so that the batches of several processes have the
    mean of one process; one of which nothing is known counts as 0.

    Parameters
    ----------
    values : (batch, ...)
    valid : as values, bool; None for everywhere
    """
    if valid is None:
        return values.mean()
    known = valid.flatten(1).sum(1)
    return (torch.where(valid, values, 0).flatten(1).sum(1) / known.clamp(min=1)).mean()


def balanced_square(forecast: Tensor, target: Tensor, scale: float) -> Tensor:
    """
    Return w(R) (forecast - target)^2 of every pixel, R the true rain rate; its mean is the B-MSE (Shi et al. 2017).

    Parameters
    ----------
    forecast, target : any shape, fractions of full scale
    scale : mm/h of a full-scale pixel

    Returns
    -------
    (as given) in (mm/h)^2
    """
    rate = _wide(target) * scale
    boundaries = rate.new_tensor(RAIN_RATES) * (1 - ROUNDING)
    weight = rate.new_tensor(RAIN_WEIGHTS)[torch.bucketize(rate, boundaries, right=True)]
    return weight * (_wide(forecast) * scale - rate).square()


def _wide(x: Tensor) -> Tensor:
    """Return half precision as float32, and what is wider as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
