"""The clean sequence: each object a layer, drawn at its pose, grown, and put over those behind it."""

import math

import numpy as np
from numba import njit

from datagen.rendering.growth import grow, growth_kernel
from datagen.rendering.kinematics import pose
from datagen.rendering.parameters import GROWS, KIND, PROPERTY, ROTATES, SPRITE, SPRITE_KIND, TRANSLATES
from datagen.rendering.shapes import cover_row, extent
from datagen.rendering.texture import shade_row

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_NOWHERE = (0, 0, 0, 0)


@njit(nogil=True, cache=True)
def composite_sequence(rows, whole_image, sprites, clean, mask, layers):
    """
    Render the clean sequence and the mask.

    Parameters
    ----------
    rows : (object, ROW_LENGTH) float64 parameter rows, later objects in front
    whole_image : the first frame as a whole grows, instead of each object as a layer
    sprites : (sprite, sprite_y, sprite_x) uint8
    clean : (time, y, x) float32, written: intensity in 0..1
    mask : (time, y, x) uint8, written: index of the front object + 1 where it covers at least half; 0 for background
    layers : (3, y, x) float32 scratch: the layer's intensity, its coverage, and the next step of its growth
    """
    clean[:] = _ZERO
    mask[:] = 0
    bounds = _NOWHERE
    for item in range(rows.shape[0]):
        row = rows[item]
        sprite = sprites[int(row[SPRITE])] if row[KIND] == SPRITE_KIND else sprites[0]
        if whole_image:
            bounds = _union(bounds, _put_object(row, item, sprite, clean[:1], mask[:1], layers))
        else:
            _put_object(row, item, sprite, clean, mask, layers)
    if whole_image and rows.shape[0]:
        kernel = growth_kernel(rows[0])
        for frame in range(1, clean.shape[0]):
            bounds = grow(clean[frame - 1], kernel, bounds, clean[frame])
            mask[frame] = mask[0]


@njit(nogil=True, cache=True)
def _put_object(row, item, sprite, clean, mask, layers):
    """Put one object over all frames; return the bounds of its last layer."""
    grows = (int(row[PROPERTY]) & GROWS) != 0 and clean.shape[0] > 1
    moves = (int(row[PROPERTY]) & (TRANSLATES | ROTATES)) != 0
    kernel = growth_kernel(row) if grows else np.empty((0, 0), np.float32)
    value, coverage, following = layers[0], layers[1], layers[2]
    bounds, drawn = _NOWHERE, _NOWHERE
    for frame in range(clean.shape[0]):
        if frame == 0 or moves:
            drawn = _draw_layer(row, sprite, frame, value, coverage)
            bounds = drawn
        if grows:
            steps = frame if moves else min(frame, 1)
            for _ in range(steps):
                bounds = grow(value, kernel, bounds, following)
                value, following = following, value
        _put_over(value, coverage, bounds, drawn, clean[frame])
        _mark(coverage, drawn, item + 1, mask[frame])
    return bounds


@njit(nogil=True, cache=True)
def _draw_layer(row, sprite, frame, value, coverage):
    """Draw the object at its pose; return the bounds (top, bottom, left, right) outside which it covers nothing."""
    x, y, angle = pose(row, float(frame))
    cosine, sine = math.cos(angle), math.sin(angle)
    half_x, half_y = extent(row, cosine, sine, sprite)
    top, bottom = _span(y, half_y, value.shape[0])
    left, right = _span(x, half_x, value.shape[1])
    if top >= bottom or left >= right:
        return _NOWHERE
    signs = np.empty(right - left, np.float32)
    for line in range(top, bottom):
        dx, dy = left + 0.5 - x, line + 0.5 - y
        u, v = cosine * dx + sine * dy, cosine * dy - sine * dx
        cover_row(row, sprite, u, v, cosine, -sine, coverage[line, left:right], signs)
        shade_row(row, u, v, cosine, -sine, coverage[line, left:right], value[line, left:right])
    return top, bottom, left, right


@njit(nogil=True, cache=True)
def _span(centre, half, length):
    """Return the pixels whose centres lie within centre +- half, cut to the frame."""
    low = max(centre - half, 0.0)
    high = min(centre + half, float(length))
    if low >= high:
        return 0, 0
    return int(math.floor(low)), int(math.ceil(high))


@njit(nogil=True, cache=True)
def _put_over(value, coverage, bounds, drawn, frame):
    """Put a layer over a frame: what is behind shows through where the object, as drawn, does not cover."""
    for y in range(bounds[0], bounds[1]):
        behind, light = frame[y], value[y]
        if drawn[0] <= y < drawn[1]:
            shield = coverage[y]
            for x in range(drawn[2], drawn[3]):
                behind[x] *= _ONE - shield[x]
        for x in range(bounds[2], bounds[3]):
            behind[x] = min(behind[x] + light[x], _ONE)


@njit(nogil=True, cache=True)
def _mark(coverage, drawn, number, mask):
    for y in range(drawn[0], drawn[1]):
        for x in range(drawn[2], drawn[3]):
            if coverage[y, x] >= _HALF:
                mask[y, x] = number


@njit(nogil=True, cache=True)
def _union(one, other):
    if one[0] >= one[1]:
        return other
    if other[0] >= other[1]:
        return one
    return min(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), max(one[3], other[3])
