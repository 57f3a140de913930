"""What a renderer knows for free: the flow of every visible surface point, and which properties act where."""

import math

import numpy as np
from numba import njit

from datagen.rendering.bits import half_bits
from datagen.rendering.kinematics import pose
from datagen.rendering.parameters import PROPERTY


@njit(nogil=True, cache=True)
def fill_flow(rows, frame, mask, flow):
    """
    Fill the forward flow of one frame.

    Parameters
    ----------
    rows : (object, ROW_LENGTH) float64 parameter rows
    frame : its time; the last frame has a flow too, the motion goes on
    mask : (y, x) uint8, front object + 1
    flow : (2, y, x) uint16, written: float16 bits of (dx, dy) in px to t + 1; 0 on background
    """
    motions = np.empty((rows.shape[0], 6))
    for item in range(rows.shape[0]):
        x0, y0, angle0 = pose(rows[item], float(frame))
        x1, y1, angle1 = pose(rows[item], frame + 1.0)
        motions[item] = (x0, y0, x1 - x0, y1 - y0, math.cos(angle1 - angle0) - 1.0, math.sin(angle1 - angle0))
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            if mask[y, x] == 0:
                flow[0, y, x] = 0
                flow[1, y, x] = 0
            else:
                motion = motions[mask[y, x] - 1]
                from_x, from_y = x + 0.5 - motion[0], y + 0.5 - motion[1]
                flow[0, y, x] = half_bits(np.float32(motion[2] + motion[4] * from_x - motion[5] * from_y))
                flow[1, y, x] = half_bits(np.float32(motion[3] + motion[5] * from_x + motion[4] * from_y))


@njit(nogil=True, cache=True)
def fill_property_mask(rows, mask, properties):
    """Write to (time, y, x) uint8 the property bits of the front object; 0 on background."""
    table = np.zeros(rows.shape[0] + 1, np.uint8)
    for item in range(rows.shape[0]):
        table[item + 1] = np.uint8(rows[item, PROPERTY])
    flat_mask, flat_properties = mask.reshape(-1), properties.reshape(-1)
    for i in range(flat_mask.size):
        flat_properties[i] = table[flat_mask[i]]
