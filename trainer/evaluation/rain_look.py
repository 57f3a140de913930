"""Rain as meteorologists draw it: a colour for each class of mm/h, another where there are no data, and a scale."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trainer.evaluation.panels import Colour, Look, Pictures
from trainer.evaluation.units import FULL_RAIN

Array = NDArray[Any]

CLASSES: Final[dict[float, Colour]] = {
    0.1: (46, 62, 110),
    0.5: (40, 104, 170),
    1: (48, 152, 200),
    2: (74, 190, 150),
    5: (160, 214, 90),
    10: (250, 226, 80),
    20: (250, 160, 50),
    30: (228, 80, 56),
    50: (190, 40, 130),
    100: (238, 196, 246),
}
"""Least mm/h of each class; lightness rises with hue up to 20 mm/h, so that any colour vision can order them."""
DRY: Final[Colour] = (16, 18, 24)
NO_DATA: Final[Colour] = (74, 74, 78)
FULL_ERROR: Final = 16.0
"""mm/h of an error that is white."""
BRIGHT: Final = 30.0
"""mm/h from which on rain that is tinted by its gates is as bright as it gets."""


def rain_pictures(frames: Array) -> Pictures:
    """Return rain (..., y, x), fractions of 64 mm/h, in the colours of its classes; NaN is no data."""
    colours = np.array([DRY, *CLASSES.values(), NO_DATA], np.uint8)
    # A class begins where a stored rate, rounded in float32, is a hair below it.
    classes = np.digitize(np.nan_to_num(frames) * FULL_RAIN, np.array(list(CLASSES)) * (1 - 1e-6))
    return colours[np.where(np.isnan(frames), len(CLASSES) + 1, classes)]


def _brightness(frames: Array) -> Array:
    shares: Array = np.sqrt(np.clip(np.nan_to_num(frames) * (FULL_RAIN / BRIGHT), 0, 1))
    return shares


RAIN: Final = Look(
    paint=rain_pictures,
    brightness=_brightness,
    limit=np.inf,
    full_error=FULL_ERROR / FULL_RAIN,
    legend={
        **{f"{least:g}" + (" mm/h" if least == list(CLASSES)[-1] else ""): colour for least, colour in CLASSES.items()},
        "no data": NO_DATA,
    },
    error_is=f"black is none, white {FULL_ERROR:g} mm/h or more",
)
"""Its legend is the scale: the least rain rate of each colour."""
