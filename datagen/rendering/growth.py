"""Growth and decay: I(t+1) = clip(K * I(t), 0, 1) with a convolution kernel K of total weight g."""

import math

import numpy as np
from numba import njit

from datagen.rendering.parameters import GROWTH, KERNEL_DIRECTION, KERNEL_SIGMA, KERNEL_WIDTH

_ZERO, _ONE = np.float32(0), np.float32(1)
_REACH = 3
"""Half of the widest kernel; narrower ones are padded with weights of 0."""


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
    image : (y, x) float32
    kernel : (width, width) float32, width 3, 5 or 7
    bounds : (top, bottom, left, right), half open: outside them the image counts as 0
    out : (y, x) float32, written inside the returned bounds

    Returns
    -------
    the bounds, wider by half the kernel, cut to the frame
    """
    reach = kernel.shape[0] // 2
    top, bottom = max(bounds[0] - reach, 0), min(bounds[1] + reach, image.shape[0])
    left, right = max(bounds[2] - reach, 0), min(bounds[3] + reach, image.shape[1])
    source = np.zeros((bounds[1] - bounds[0], right - left + 2 * _REACH), np.float32)
    inset = bounds[2] - left + _REACH
    source[:, inset : inset + bounds[3] - bounds[2]] = image[bounds[0] : bounds[1], bounds[2] : bounds[3]]
    weights = np.zeros((kernel.shape[0], 2 * _REACH + 1), np.float32)
    weights[:, _REACH - reach : _REACH + reach + 1] = kernel[:, ::-1]
    for y in range(top, bottom):
        line = out[y, left:right]
        line[:] = _ZERO
        nearest = y + reach - bounds[0]
        for i in range(max(0, nearest - source.shape[0] + 1), min(kernel.shape[0], nearest + 1)):
            _add_taps(source[nearest - i], weights[i], line)
        for x in range(line.size):
            line[x] = min(max(line[x], _ZERO), _ONE)
    return top, bottom, left, right


@njit(nogil=True, cache=True)
def _add_taps(source, weights, line):
    """Add seven shifted copies in one pass; views, because LLVM does not vectorise over source[x + 1]."""
    w0, w1, w2, w3 = weights[0], weights[1], weights[2], weights[3]
    w4, w5, w6 = weights[4], weights[5], weights[6]
    s0, s1, s2, s3 = source, source[1:], source[2:], source[3:]
    s4, s5, s6 = source[4:], source[5:], source[6:]
    for x in range(line.size):
        near = w2 * s2[x] + w3 * s3[x] + w4 * s4[x]
        far = w0 * s0[x] + w1 * s1[x] + w5 * s5[x] + w6 * s6[x]
        line[x] += near + far
