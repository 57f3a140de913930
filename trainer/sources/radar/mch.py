"""Accumulated rain of MeteoSwiss: GIF, whose palette index is the value and whose colours are for the eye."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas.errors import InputError
from trainer.sources.images import said
from trainer.sources.radar.reflectivity import SWITZERLAND, rain_of
from trainer.sources.radar.scan import Rain, Scan, checked

NO_DATA: Final = 255
RAIN: Final = (2, 250)
"""First and last index that is rain; others are none."""
PER_HOUR: Final = 12
"""Periods of 5 minutes, over which it is accumulated."""
_NAME = re.compile(r"(AQC)(\d{2})(\d{3})(\d{2})(\d{2})[A-Z]_.*\.gif", re.IGNORECASE)


def scans(file: Path) -> list[Scan]:
    """Return the one scan of a file, by its name alone: year, day of the year and time."""
    match = _NAME.fullmatch(file.name)
    if match is None:
        raise InputError(f"{file} is named as no file of MeteoSwiss; give e.g. AQC161932045V_00005.801.gif")
    time = datetime.strptime("20" + "".join(match.groups()[1:]), "%Y%j%H%M").replace(tzinfo=UTC)
    return [Scan(file, 0, time.timestamp(), match[1].upper())]


def read(file: Path) -> Rain:
    """Return what a file holds; raises InputError where it is damaged or its indices are not the owner's."""
    try:
        with Image.open(file) as image:
            mode, palette = image.mode, image.getpalette() or []
            index = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{file} is no image that can be read: {said(error)}; get it again") from error
    if mode != "P" or not _is_of_the_owner(np.array(palette).reshape(-1, 3)):
        raise InputError(
            f"{file} has not the palette of MeteoSwiss, so that its indices are no rain; get it as it was published"
        )
    return Rain(checked(file, _RAIN_OF_INDEX[index]), None)


def _rain_of_index() -> NDArray[np.float64]:
    """Return the mm/h of every index, (index,): 10^((index - 71.5) / 20) is a Z of the mm in 5 minutes."""
    index = np.arange(256)
    rain = PER_HOUR * rain_of((index - 71.5) / 2, SWITZERLAND)
    rain[(index < RAIN[0]) | (index > RAIN[1])] = 0
    rain[NO_DATA] = np.nan
    return rain


_RAIN_OF_INDEX = _rain_of_index()


def _is_of_the_owner(palette: NDArray[np.int_]) -> bool:
    """Return whether all but the last colour of (colour, 3) are red that fades with the index."""
    index = np.arange(len(palette) - 1)
    expected = np.stack([np.full_like(index, 255), 255 - index, 255 - index], axis=1)
    return len(palette) == NO_DATA + 1 and bool((palette[:-1] == expected).all())
