"""Truth drawn on grey pictures: outlines of objects and arrows of flow, in a palette of 240 greys and a few colours."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Picture = NDArray[np.uint8]
"""(y, x) uint8: an index into PALETTE."""

GREYS = 240
"""A GIF has 256 colours; what is left after the overlay's are greys, a step of 1.07 grey levels."""
_OBJECT_COLOURS = ((0, 158, 255), (255, 92, 138), (76, 201, 96), (190, 120, 255), (255, 214, 0), (0, 208, 190))
_ARROW = GREYS + len(_OBJECT_COLOURS)
_SHADOW = 0
PALETTE = np.zeros((256, 3), np.uint8)
"""(index, red green blue) uint8."""
PALETTE[:GREYS] = np.rint(np.arange(GREYS) * (255 / (GREYS - 1)))[:, None]
PALETTE[GREYS:_ARROW] = _OBJECT_COLOURS
PALETTE[_ARROW] = (255, 130, 0)

ARROW_FRAMES = 3
"""An arrow is as long as the displacement over this many frames."""
_ARROW_CELL = 26
"""Side of the square, in px of the picture, whose mean flow is one arrow."""
_SHORTEST_ARROW = 4.0
"""px of the picture; what hardly moves gets no arrow."""


def indexed(grey: Picture) -> Picture:
    """Return 256 grey levels, (..., y, x) uint8, as indices into PALETTE."""
    table: Picture = np.rint(np.arange(256) * ((GREYS - 1) / 255)).astype(np.uint8)
    return table[grey]


def outline_objects(picture: Picture, mask: NDArray[np.uint8]) -> None:
    """
    Draw a line of 1 px around every object, in the object's colour.

    Parameters
    ----------
    picture : (y, x) uint8, drawn on
    mask : (y, x) uint8 of the picture's size, front object + 1, 0 for background
    """
    for item in np.unique(mask[mask > 0]):
        inside = np.pad(mask == item, 1)
        near = inside[:-2, 1:-1] | inside[2:, 1:-1] | inside[1:-1, :-2] | inside[1:-1, 2:]
        picture[near & (mask != item)] = GREYS + (int(item) - 1) % len(_OBJECT_COLOURS)


def draw_flow(picture: Picture, flow: NDArray[Any], scale: int) -> Picture:
    """
    Draw an arrow for every square in which something moves.

    Parameters
    ----------
    picture : (y, x) uint8
    flow : (2, y, x), displacement (dx, dy) in px of the frame, 0 where nothing moves
    scale : px of the picture per px of the frame

    Returns
    -------
    (y, x) uint8, the picture with arrows
    """
    canvas = Image.fromarray(picture)
    pen = ImageDraw.Draw(canvas)
    flow = flow.astype(np.float64)
    moving = (flow != 0).any(0)
    cell = max(_ARROW_CELL // scale, 1)
    for top in range(0, flow.shape[1], cell):
        for left in range(0, flow.shape[2], cell):
            ys, xs = np.nonzero(moving[top : top + cell, left : left + cell])
            if ys.size * 4 >= cell * cell:
                dx, dy = flow[:, top + ys, left + xs].mean(1) * scale * ARROW_FRAMES
                _draw_arrow(pen, (left + xs.mean() + 0.5) * scale, (top + ys.mean() + 0.5) * scale, dx, dy)
    return np.array(canvas)


def _draw_arrow(pen: ImageDraw.ImageDraw, x: float, y: float, dx: float, dy: float) -> None:
    length = math.hypot(dx, dy)
    if length < _SHORTEST_ARROW:
        return
    along_x, along_y = dx / length, dy / length
    head = min(6.0, 0.6 * length)
    neck = (x + dx - head * along_x, y + dy - head * along_y)
    corners = [
        (x + dx, y + dy),
        (neck[0] - 0.5 * head * along_y, neck[1] + 0.5 * head * along_x),
        (neck[0] + 0.5 * head * along_y, neck[1] - 0.5 * head * along_x),
    ]
    pen.line([(x, y), neck], fill=_SHADOW, width=4)
    pen.polygon(corners, fill=_SHADOW, outline=_SHADOW, width=3)
    pen.line([(x, y), neck], fill=_ARROW, width=2)
    pen.polygon(corners, fill=_ARROW)
