"""Growth and decay: I(t+1) = clip(K * I(t), 0, 1) with a convolution kernel K of total weight g."""

import math

import numpy as np
from numba import njit

from datagen.rendering.parameters import GROWTH, KERNEL_DIRECTION, KERNEL_SIGMA, KERNEL_WIDTH

_ZERO, _ONE = np.float32(0), np.float32(1)


@njit(nogil=True, cache=True)
def growth_kernel(row):
    """
    Build K: an anisotropic Gaussian, cut to its width and scaled to its weight.

    Parameters
    ----------
    row : parameter row of an object that grows

    Returns
    -------
    (width, width) float32, sum g, none negative
    """
    width = int(row[KERNEL_WIDTH])
    kernel = np.empty((width, width), np.float32)
    along_x, along_y = row[KERNEL_DIRECTION], row[KERNEL_DIRECTION + 1]
    total = 0.0
    for i in range(width):
        for j in range(width):
            y, x = i - width // 2, j - width // 2
            along = (x * along_x + y * along_y) / row[KERNEL_SIGMA]
            across = (y * along_x - x * along_y) / row[KERNEL_SIGMA + 1]
            weight = math.exp(-(along * along + across * across) / 2.0)
            kernel[i, j] = weight
            total += weight
    return kernel * np.float32(row[GROWTH] / total)


@njit(nogil=True, cache=True)
def grow(image, kernel, bounds, out):
    """
    Apply one step: convolve (0 outside the frame) and clip to 0..1.

    Parameters
    ----------
    image : (y, x) float32, 0 outside the bounds
    kernel : (width, width) float32, width odd
    bounds : (top, bottom, left, right), half open, what of the image is not 0
    out : (y, x) float32, written inside the returned bounds

    Returns
    -------
    the bounds, wider by half the kernel, cut to the frame
    """
    reach = kernel.shape[0] // 2
    top, bottom = max(bounds[0] - reach, 0), min(bounds[1] + reach, image.shape[0])
    left, right = max(bounds[2] - reach, 0), min(bounds[3] + reach, image.shape[1])
    for y in range(top, bottom):
        line = out[y]
        line[left:right] = _ZERO
        for i in range(max(0, y + reach - bounds[1] + 1), min(kernel.shape[0], y + reach - bounds[0] + 1)):
            source = image[y + reach - i]
            for j in range(kernel.shape[1]):
                shift = reach - j
                _add_shifted(source, kernel[i, j], shift, max(left, bounds[2] - shift), min(right, bounds[3] - shift), line)
        for x in range(left, right):
            line[x] = min(max(line[x], _ZERO), _ONE)
    return top, bottom, left, right


@njit(nogil=True, cache=True)
def _add_shifted(source, weight, shift, start, stop, line):
    for x in range(start, stop):
        line[x] += weight * source[x + shift]
