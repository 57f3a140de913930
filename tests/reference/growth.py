"""Growth by scipy: I(t+1) = clip(K * I(t), 0, 1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tests.reference.parameters import Columns

Array = NDArray[Any]


def growth_kernel(columns: Columns, item: int) -> Array:
    """Return K (y, x): a Gaussian with two standard deviations, cut to its width, of total weight g."""
    half = int(columns["kernel_width"][item]) // 2
    direction = np.asarray(columns["kernel_direction"][item], np.float64)
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    along = x * direction[0] + y * direction[1]
    across = y * direction[0] - x * direction[1]
    sigma_along, sigma_across = columns["kernel_sigma"][item]
    weights = np.exp(-((along / sigma_along) ** 2 + (across / sigma_across) ** 2) / 2)
    return np.asarray(weights * columns["growth"][item] / weights.sum())


def grow(image: Array, kernel: Array, steps: int = 1) -> Array:
    """Convolve and clip, so many times; outside the frame is black."""
    for _ in range(steps):
        image = np.clip(ndimage.convolve(image, kernel, mode="constant", cval=0.0), 0, 1)
    return image
