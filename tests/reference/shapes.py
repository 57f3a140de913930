"""Coverage from signed distances, one obvious line each; polygons by winding number, sprites by scipy."""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from schemas.store import OBJECT_KINDS
from tests.reference.parameters import Columns

Array = NDArray[Any]
_SAMPLES = 16
"""Samples per pixel and axis over which a sprite shown smaller than it is gets averaged."""


def circle_distance(radius: float, u: Array, v: Array) -> Array:
    """Return the signed distance from a circle about the origin, negative inside."""
    return np.asarray(np.hypot(u, v) - radius)


def line_distance(half_length: float, half_width: float, u: Array, v: Array) -> Array:
    """Return the signed distance from a segment along u with round caps; the half length includes the caps."""
    core = half_length - half_width
    return np.asarray(np.hypot(u - np.clip(u, -core, core), v) - half_width)


def polygon_distance(vertices: Array, u: Array, v: Array) -> Array:
    """Return the signed distance from a simple polygon, vertices (vertex, 2): nearest edge, sign by winding number."""
    points = np.stack([u, v], axis=-1)
    nearest = np.full(u.shape, np.inf)
    winding = np.zeros(u.shape)
    for start, end in zip(vertices, np.roll(vertices, -1, axis=0), strict=True):
        edge = end - start
        along = np.clip((points - start) @ edge / (edge @ edge), 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(points - start - along[..., None] * edge, axis=-1))
        a, b = start - points, end - points
        cross = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
        winding += np.arctan2(cross, np.sum(a * b, axis=-1))
    inside = np.abs(winding) > np.pi
    return np.where(inside, -nearest, nearest)


def shoelace_area(vertices: Array) -> float:
    """Return the signed area of a polygon."""
    following = np.roll(vertices, -1, axis=0)
    return float(np.sum(vertices[:, 0] * following[:, 1] - vertices[:, 1] * following[:, 0]) / 2)


def polygon_centroid(vertices: Array) -> Array:
    """Return the centre of mass of a polygon: triangles from the first vertex, weighed by area."""
    first, rest = vertices[0], vertices[1:]
    triangles = [(first, b, c) for b, c in pairwise(rest)]
    areas = np.array([shoelace_area(np.array(triangle)) for triangle in triangles])
    centres = np.array([np.mean(triangle, axis=0) for triangle in triangles])
    return np.asarray(areas @ centres / areas.sum())


def self_intersects(vertices: Array) -> bool:
    """Return whether any two edges that share no vertex cross or touch."""
    count = len(vertices)
    edges = [(vertices[k], vertices[(k + 1) % count]) for k in range(count)]
    apart = ((i, j) for i in range(count) for j in range(i + 2, count) if (i, j) != (0, count - 1))
    return any(_cross(*edges[i], *edges[j]) for i, j in apart)


def _cross(a: Array, b: Array, c: Array, d: Array) -> bool:
    return _side(a, b, c) * _side(a, b, d) <= 0 and _side(c, d, a) * _side(c, d, b) <= 0


def _side(a: Array, b: Array, point: Array) -> float:
    return float(np.sign((b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])))


def sprite_levels(sprite: Array, half_size: float, u: Array, v: Array) -> Array:
    """Sample a sprite, whose longer side is two half sizes, bilinearly at object coordinates: 0..1."""
    per_pixel = max(sprite.shape) / (2 * half_size)
    rows = v * per_pixel + (sprite.shape[0] - 1) / 2
    columns = u * per_pixel + (sprite.shape[1] - 1) / 2
    levels = ndimage.map_coordinates(sprite / 255.0, [rows, columns], order=1, mode="grid-constant", cval=0.0)
    return np.asarray(levels)


def coverage(columns: Columns, item: int, u: Array, v: Array, sprites: Array | None = None) -> Array:
    """Return how much of each pixel an object covers, at object coordinates u, v of the pixel centres."""
    size = float(columns["size"][item])
    match int(columns["kind"][item]):
        case kind if kind == OBJECT_KINDS["circle"]:
            distance = circle_distance(size, u, v)
        case kind if kind == OBJECT_KINDS["line"]:
            distance = line_distance(size, float(columns["line_width"][item]), u, v)
        case kind if kind == OBJECT_KINDS["polygon"]:
            distance = polygon_distance(columns["vertices"][item][: columns["vertex_count"][item]], u, v)
        case _:
            assert sprites is not None
            return _sprite_coverage(sprites[columns["sprite"][item]], size, u, v)
    return np.clip(0.5 - distance, 0, 1)


def _sprite_coverage(sprite: Array, size: float, u: Array, v: Array) -> Array:
    """Sample at the pixel centre; where a sprite pixel is smaller than a pixel, average over the pixel instead."""
    if max(sprite.shape) <= 2 * size:
        return sprite_levels(sprite, size, u, v)
    offsets = (np.arange(_SAMPLES) + 0.5) / _SAMPLES - 0.5
    step_u, step_v = _unit_steps(u, v)
    total = np.zeros(u.shape)
    for right in offsets:
        for down in offsets:
            x = u + right * step_u[0] + down * step_u[1]
            y = v + right * step_v[0] + down * step_v[1]
            total += sprite_levels(sprite, size, x, y)
    return total / _SAMPLES**2


def _unit_steps(u: Array, v: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the change of u and of v from pixel to pixel along x and along y."""
    return (
        (float(u[0, 1] - u[0, 0]), float(u[1, 0] - u[0, 0])),
        (float(v[0, 1] - v[0, 0]), float(v[1, 0] - v[0, 0])),
    )
