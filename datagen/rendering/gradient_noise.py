"""
Improved gradient noise in (x, y, t) on a grid of coordinates (Perlin, "Improving noise", SIGGRAPH 2002).

Inside a lattice cell, with u, v the fractions along x and y, f(s) = s^3 (s (6 s - 15) + 10) the fade and t fixed, the
noise is

    sum over a in (1, v, f(v), v f(v))  a * P_a(x),    P_a(x) = k0 + k1 u + f(u) (k2 + k3 u),

because every gradient product is linear. P depends on the lattice row alone, so it is computed once a row of cells, and
a pixel then costs four multiplications and additions per octave that run over the whole width of a frame.
"""

import math

import numpy as np
from numba import njit

LACUNARITY = 2.0
PERSISTENCE = 0.5

_GRADIENTS = np.array(
    [
        *((1, 1, 0), (-1, 1, 0), (1, -1, 0), (-1, -1, 0)),
        *((1, 0, 1), (-1, 0, 1), (1, 0, -1), (-1, 0, -1)),
        *((0, 1, 1), (0, -1, 1), (0, 1, -1), (0, -1, -1)),
        *((1, 0, -1), (-1, 0, -1), (0, -1, 1), (0, 1, 1)),
    ],
    dtype=np.float32,
)
"""Sixteen directions: the twelve edges of a cube, four of them twice, in the order of the package `noise`."""

_ONE = np.float32(1)


@njit(nogil=True, cache=True)
def add_gradient_noise(permutation, x, y, t, octaves, amplitude, out):
    """
    Add one frame of fractal gradient noise.

    The octaves have frequencies 1, 2, 4, ... and amplitudes 1, 1/2, 1/4, ..., divided by their sum.

    Parameters
    ----------
    permutation : (512,) uint8, a permutation of 0..255 twice over
    x, y : (x,) and (y,) float64 lattice coordinates of the columns and rows, any real numbers, x ascending
    t : lattice coordinate of the frame
    octaves : 1 or more
    amplitude : float32 factor
    out : (y, x) float32, added to
    """
    total = 0.0
    for octave in range(octaves):
        total += PERSISTENCE**octave
    for octave in range(octaves):
        frequency = LACUNARITY**octave
        weight = np.float32(amplitude * PERSISTENCE**octave / total)
        _add_octave(permutation, x * frequency, y * frequency, t * frequency, weight, out)


@njit(nogil=True, cache=True)
def _add_octave(permutation, x, y, t, weight, out):
    first_cell = np.int64(math.floor(x[0]))
    nodes = np.int64(math.floor(x[-1])) - first_cell + 2
    above = np.empty((3, nodes), np.float32)  # per lattice node: gradient x, gradient y, and t's share, blended over t
    below = np.empty((3, nodes), np.float32)
    columns = np.empty((4, x.size), np.float32)  # P of the module's docstring
    ends, fractions = _cells(x, first_cell, nodes - 1)
    cell_y = np.int64(math.floor(y[0])) - 2
    for row in range(y.size):
        floor = np.int64(math.floor(y[row]))
        if floor != cell_y:
            if floor == cell_y + 1:
                above, below = below, above
            else:
                _blend_nodes(permutation, first_cell, floor, t, above)
            _blend_nodes(permutation, first_cell, floor + 1, t, below)
            _blend_columns(above, below, ends, fractions, columns)
            cell_y = floor
        _add_row(columns, np.float32(y[row] - floor), weight, out[row])


@njit(nogil=True, cache=True)
def _cells(x, first_cell, cells):
    """Return where each lattice cell's columns end, and per column u, f(u) and u f(u)."""
    ends = np.zeros(cells, np.int64)
    fractions = np.empty((3, x.size), np.float32)
    for i in range(x.size):
        floor = math.floor(x[i])
        ends[np.int64(floor) - first_cell] = i + 1
        u = np.float32(x[i] - floor)
        f = _fade(u)
        fractions[0, i] = u
        fractions[1, i] = f
        fractions[2, i] = u * f
    for cell in range(1, cells):
        ends[cell] = max(ends[cell], ends[cell - 1])
    return ends, fractions


@njit(nogil=True, cache=True)
def _add_row(columns, v, weight, out):
    faded = _fade(v)
    one, slope, fade, both = weight, weight * v, weight * faded, weight * v * faded
    for i in range(out.size):
        out[i] += one * columns[0, i] + slope * columns[1, i] + fade * columns[2, i] + both * columns[3, i]


@njit(nogil=True, cache=True)
def _blend_nodes(permutation, first_cell, cell_y, t, nodes):
    """Blend the gradients of one row of lattice nodes over the two lattice times around t."""
    cell_t = np.int64(math.floor(t))
    w = np.float32(t - cell_t)
    late = _fade(w)
    early = _ONE - late
    for i in range(nodes.shape[1]):
        corner = permutation[permutation[(first_cell + i) & 255] + (cell_y & 255)]
        g0 = permutation[corner + (cell_t & 255)] & 15
        g1 = permutation[corner + ((cell_t + 1) & 255)] & 15
        nodes[0, i] = early * _GRADIENTS[g0, 0] + late * _GRADIENTS[g1, 0]
        nodes[1, i] = early * _GRADIENTS[g0, 1] + late * _GRADIENTS[g1, 1]
        nodes[2, i] = early * _GRADIENTS[g0, 2] * w + late * _GRADIENTS[g1, 2] * (w - _ONE)


@njit(nogil=True, cache=True)
def _blend_columns(above, below, ends, fractions, columns):
    """Blend two rows of nodes over x: P_a for a in (1, v, f(v), v f(v))."""
    start = 0
    for cell in range(ends.size):
        x0, y0, t0 = above[0, cell], above[1, cell], above[2, cell]
        x1, y1, t1 = above[0, cell + 1], above[1, cell + 1], above[2, cell + 1]
        x2, y2, t2 = below[0, cell], below[1, cell], below[2, cell] - below[1, cell]
        x3, y3, t3 = below[0, cell + 1], below[1, cell + 1], below[2, cell + 1] - below[1, cell + 1]
        upper_step, upper_turn = t1 - x1 - t0, x1 - x0
        lower_step, lower_turn = t3 - x3 - t2, x3 - x2
        for i in range(start, ends[cell]):
            u, f, uf = fractions[0, i], fractions[1, i], fractions[2, i]
            upper = t0 + x0 * u + upper_step * f + upper_turn * uf
            lower = t2 + x2 * u + lower_step * f + lower_turn * uf
            upper_slope = y0 + f * (y1 - y0)
            lower_slope = y2 + f * (y3 - y2)
            columns[0, i] = upper
            columns[1, i] = upper_slope
            columns[2, i] = lower - upper
            columns[3, i] = lower_slope - upper_slope
        start = ends[cell]


@njit(nogil=True, cache=True)
def _fade(s):
    return s * s * s * (s * (s * np.float32(6) - np.float32(15)) + np.float32(10))
