"""The row of drawn parameters of one object: where each column of the store's table lies in it."""

COLUMNS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("kind", ()),
    ("property", ()),
    ("sprite", ()),
    ("size", ()),
    ("line_width", ()),
    ("vertex_count", ()),
    ("vertices", (8, 2)),
    ("intensity", ()),
    ("texture_contrast", ()),
    ("texture_wavelength", ()),
    ("texture_direction", (2,)),
    ("texture_phase", ()),
    ("position", (2,)),
    ("velocity", (2,)),
    ("acceleration", (2,)),
    ("jerk", (2,)),
    ("angle", ()),
    ("angular_velocity", ()),
    ("angular_acceleration", ()),
    ("angular_jerk", ()),
    ("pivot", (2,)),
    ("growth", ()),
    ("kernel_width", ()),
    ("kernel_sigma", (2,)),
    ("kernel_direction", (2,)),
)
"""Name and shape, in row order; the names, meanings and units are those of `schemas.store.OBJECT_COLUMNS`."""


def _offsets() -> dict[str, int]:
    offsets, position = {}, 0
    for name, shape in COLUMNS:
        offsets[name] = position
        size = 1
        for length in shape:
            size *= length
        position += size
    offsets[""] = position
    return offsets


_AT = _offsets()
ROW_LENGTH = _AT[""]
"""Doubles in a row."""

KIND, PROPERTY, SPRITE = _AT["kind"], _AT["property"], _AT["sprite"]
SIZE, LINE_WIDTH, VERTEX_COUNT, VERTICES = _AT["size"], _AT["line_width"], _AT["vertex_count"], _AT["vertices"]
INTENSITY, CONTRAST, WAVELENGTH = _AT["intensity"], _AT["texture_contrast"], _AT["texture_wavelength"]
TEXTURE_DIRECTION, PHASE = _AT["texture_direction"], _AT["texture_phase"]
POSITION, VELOCITY, ACCELERATION, JERK = _AT["position"], _AT["velocity"], _AT["acceleration"], _AT["jerk"]
ANGLE, ANGULAR_VELOCITY = _AT["angle"], _AT["angular_velocity"]
ANGULAR_ACCELERATION, ANGULAR_JERK, PIVOT = _AT["angular_acceleration"], _AT["angular_jerk"], _AT["pivot"]
GROWTH, KERNEL_WIDTH = _AT["growth"], _AT["kernel_width"]
KERNEL_SIGMA, KERNEL_DIRECTION = _AT["kernel_sigma"], _AT["kernel_direction"]

CIRCLE, LINE, POLYGON, SPRITE_KIND = 1, 2, 3, 4
"""Values of the column `kind`; 0 is no object."""
TRANSLATES, ROTATES, GROWS = 1, 2, 4
"""Bits of the column `property`."""
MAX_VERTICES = 8
