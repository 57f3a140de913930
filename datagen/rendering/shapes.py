"""Shapes: how much of each pixel an object covers, from its exact signed distance; sprites are sampled."""

import math

import numpy as np
from numba import njit

from datagen.rendering.parameters import CIRCLE, KIND, LINE, LINE_WIDTH, POLYGON, SIZE, VERTEX_COUNT, VERTICES

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_FAR = np.float32(1e30)
_FULL = np.float32(255)


@njit(nogil=True, cache=True)
def extent(row, cosine, sine, sprite):
    """
    Bound an object at an angle.

    Parameters
    ----------
    row : parameter row of the object
    cosine, sine : of its angle
    sprite : (sprite_y, sprite_x) uint8, the image of a sprite

    Returns
    -------
    half width and half height in px of a box about the centre outside which the coverage is 0
    """
    size = row[SIZE]
    if row[KIND] == CIRCLE:
        half_x = half_y = size
    elif row[KIND] == LINE:
        core = size - row[LINE_WIDTH]
        half_x = abs(cosine) * core + row[LINE_WIDTH]
        half_y = abs(sine) * core + row[LINE_WIDTH]
    elif row[KIND] == POLYGON:
        half_x = half_y = 0.0
        for k in range(int(row[VERTEX_COUNT])):
            u, v = row[VERTICES + 2 * k], row[VERTICES + 2 * k + 1]
            half_x = max(half_x, abs(cosine * u - sine * v))
            half_y = max(half_y, abs(sine * u + cosine * v))
    else:
        per_pixel = sprite_scale(row, sprite)
        # Half a sprite pixel more: the bilinear border fades to 0 beyond the outer pixel centres.
        half_u = (sprite.shape[1] + 1) / per_pixel / 2.0
        half_v = (sprite.shape[0] + 1) / per_pixel / 2.0
        half_x = abs(cosine) * half_u + abs(sine) * half_v
        half_y = abs(sine) * half_u + abs(cosine) * half_v
    return half_x + 0.5, half_y + 0.5


@njit(nogil=True, cache=True)
def sprite_scale(row, sprite):
    """Return the sprite pixels per px of the frame: the longer side of the sprite is two sizes."""
    return max(sprite.shape[0], sprite.shape[1]) / (2.0 * row[SIZE])


@njit(nogil=True, cache=True)
def cover_row(row, sprite, u, v, step_u, step_v, coverage, signs):
    """
    Compute the coverage of one row of pixels.

    Parameters
    ----------
    row : parameter row of the object
    sprite : (sprite_y, sprite_x) uint8, the image of a sprite
    u, v : object coordinates of the first pixel's centre, px
    step_u, step_v : their change from pixel to pixel
    coverage : (x,) float32, written: 0..1, clip(1/2 - signed distance)
    signs : (x,) float32 scratch
    """
    kind = row[KIND]
    if kind == CIRCLE:
        _cover_circle(np.float32(row[SIZE]), u, v, step_u, step_v, coverage)
    elif kind == LINE:
        width = np.float32(row[LINE_WIDTH])
        _cover_line(np.float32(row[SIZE]) - width, width, u, v, step_u, step_v, coverage)
    elif kind == POLYGON:
        _cover_polygon(row, u, v, step_u, step_v, coverage, signs)
    else:
        _cover_sprite(sprite, sprite_scale(row, sprite), u, v, step_u, step_v, coverage)


@njit(inline="always")
def _antialias(distance):
    return min(max(_HALF - distance, _ZERO), _ONE)


@njit(nogil=True, cache=True)
def _cover_circle(radius, u, v, step_u, step_v, coverage):
    u, v, step_u, step_v = np.float32(u), np.float32(v), np.float32(step_u), np.float32(step_v)
    for i in range(coverage.size):
        x = u + step_u * np.float32(i)
        y = v + step_v * np.float32(i)
        coverage[i] = _antialias(np.sqrt(x * x + y * y) - radius)


@njit(nogil=True, cache=True)
def _cover_line(core, width, u, v, step_u, step_v, coverage):
    u, v, step_u, step_v = np.float32(u), np.float32(v), np.float32(step_u), np.float32(step_v)
    for i in range(coverage.size):
        x = max(abs(u + step_u * np.float32(i)) - core, _ZERO)
        y = v + step_v * np.float32(i)
        coverage[i] = _antialias(np.sqrt(x * x + y * y) - width)


@njit(nogil=True, cache=True)
def _cover_polygon(row, u, v, step_u, step_v, coverage, signs):
    """Distance to the nearest edge; the sign flips at every edge that a ray along +x crosses."""
    coverage[:] = _FAR
    signs[:] = _ONE
    count = int(row[VERTEX_COUNT])
    for k in range(count):
        following = (k + 1) % count
        _cut_edge(
            row[VERTICES + 2 * k : VERTICES + 2 * k + 2],
            row[VERTICES + 2 * following : VERTICES + 2 * following + 2],
            (np.float32(u), np.float32(v), np.float32(step_u), np.float32(step_v)),
            coverage,
            signs,
        )
    for i in range(coverage.size):
        coverage[i] = _antialias(signs[i] * np.sqrt(coverage[i]))


@njit(nogil=True, cache=True)
def _cut_edge(start, end, line, squares, signs):
    u, v, step_u, step_v = line
    ax, ay, bx, by = np.float32(start[0]), np.float32(start[1]), np.float32(end[0]), np.float32(end[1])
    edge_x, edge_y = bx - ax, by - ay
    inverse = _ONE / (edge_x * edge_x + edge_y * edge_y)
    for i in range(squares.size):
        x = u + step_u * np.float32(i) - ax
        y = v + step_v * np.float32(i) - ay
        along = min(max((x * edge_x + y * edge_y) * inverse, _ZERO), _ONE)
        off_x, off_y = x - along * edge_x, y - along * edge_y
        squares[i] = min(squares[i], off_x * off_x + off_y * off_y)
        beyond = edge_x * y > edge_y * x
        upward = (y >= _ZERO) & (y < edge_y) & beyond
        downward = (y < _ZERO) & (y >= edge_y) & (not beyond)
        signs[i] = -signs[i] if upward | downward else signs[i]


@njit(nogil=True, cache=True)
def _cover_sprite(sprite, per_pixel, u, v, step_u, step_v, coverage):
    """Sample bilinearly; a sprite shown smaller than it is gets as many samples a pixel as keep it from aliasing."""
    samples = max(1, int(math.ceil(per_pixel)))
    share = _ONE / np.float32(samples * samples)
    centre_x, centre_y = sprite.shape[1] / 2.0 - 0.5, sprite.shape[0] / 2.0 - 0.5
    for i in range(coverage.size):
        total = _ZERO
        for j in range(samples * samples):
            right = (j % samples + 0.5) / samples - 0.5
            down = (j // samples + 0.5) / samples - 0.5
            x = u + step_u * (i + right) - step_v * down
            y = v + step_v * (i + right) + step_u * down
            total += _bilinear(sprite, x * per_pixel + centre_x, y * per_pixel + centre_y)
        coverage[i] = total * share / _FULL


@njit(nogil=True, cache=True)
def _bilinear(sprite, x, y):
    """Return the grey level at (x, y) sprite pixels; 0 outside."""
    left, top = int(math.floor(x)), int(math.floor(y))
    if left < -1 or top < -1 or left >= sprite.shape[1] or top >= sprite.shape[0]:
        return _ZERO
    fx, fy = np.float32(x - left), np.float32(y - top)
    upper = (_ONE - fx) * _level(sprite, top, left) + fx * _level(sprite, top, left + 1)
    lower = (_ONE - fx) * _level(sprite, top + 1, left) + fx * _level(sprite, top + 1, left + 1)
    return (_ONE - fy) * upper + fy * lower


@njit(nogil=True, cache=True)
def _level(sprite, y, x):
    if 0 <= y < sprite.shape[0] and 0 <= x < sprite.shape[1]:
        return np.float32(sprite[y, x])
    return _ZERO
