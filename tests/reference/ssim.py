"""SSIM from its definition: weighted means, variances and covariance of every window, one window at a time."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def uniform_window() -> Array:
    """Return equal weights on 7 x 7 pixels."""
    return np.full((7, 7), 1 / 49)


def gaussian_window() -> Array:
    """Return 11 x 11 weights of a Gaussian of standard deviation 1.5 px."""
    y, x = np.mgrid[-5:6, -5:6]
    weights = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    return np.asarray(weights / weights.sum())


def ssim(
    a: Array,
    b: Array,
    window: Array,
    *,
    sample: bool = False,
    data_range: float = 1.0,
    valid: NDArray[np.bool_] | None = None,
) -> float:
    """Return the mean over the windows inside the frame (y, x) whose pixels are all valid."""
    side = len(window)
    correction = side**2 / (side**2 - 1) if sample else 1.0
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarities = []
    for y in range(a.shape[0] - side + 1):
        for x in range(a.shape[1] - side + 1):
            here = slice(y, y + side), slice(x, x + side)
            if valid is not None and not valid[here].all():
                continue
            mean_a, mean_b = (window * a[here]).sum(), (window * b[here]).sum()
            from_a, from_b = a[here] - mean_a, b[here] - mean_b
            variance_a, variance_b, covariance = (
                correction * (window * product).sum() for product in (from_a**2, from_b**2, from_a * from_b)
            )
            similarities.append(
                (2 * mean_a * mean_b + c1)
                * (2 * covariance + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
            )
    return float(np.mean(similarities))
