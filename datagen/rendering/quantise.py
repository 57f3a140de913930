"""Intensities to stored values: clip, scale and round into uint8, float16 or float32."""

import numpy as np
from numba import njit

from datagen.rendering.bits import half_bits

_ZERO, _HALF, _ONE, _FULL = np.float32(0), np.float32(0.5), np.float32(1), np.float32(255)


@njit(nogil=True, cache=True)
def store_uint8(clean, noise, scale, out):
    """
    Write round(255 clip(clean + scale noise, 0, 1)); all flat, float32 in, uint8 out; scale 0 ignores the noise.

    The two loops differ because 0 * noise + clean costs a pass over noise that was never filled.
    """
    if scale == _ZERO:
        for i in range(out.size):
            out[i] = np.uint8(np.int32(min(max(clean[i], _ZERO), _ONE) * _FULL + _HALF))
    else:
        for i in range(out.size):
            out[i] = np.uint8(np.int32(min(max(clean[i] + scale * noise[i], _ZERO), _ONE) * _FULL + _HALF))


@njit(nogil=True, cache=True)
def store_float32(clean, noise, scale, out):
    """Write clip(clean + scale noise, 0, 1) as float32; otherwise as `store_uint8`."""
    if scale == _ZERO:
        for i in range(out.size):
            out[i] = min(max(clean[i], _ZERO), _ONE)
    else:
        for i in range(out.size):
            out[i] = min(max(clean[i] + scale * noise[i], _ZERO), _ONE)


@njit(nogil=True, cache=True)
def store_float16(clean, noise, scale, out):
    """Write clip(clean + scale noise, 0, 1) as the bits of float16 in uint16; otherwise as `store_uint8`."""
    if scale == _ZERO:
        for i in range(out.size):
            out[i] = np.uint16(half_bits(min(max(clean[i], _ZERO), _ONE)))
    else:
        for i in range(out.size):
            out[i] = np.uint16(half_bits(min(max(clean[i] + scale * noise[i], _ZERO), _ONE)))
