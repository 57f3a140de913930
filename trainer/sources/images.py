"""Images as grey levels: a file, and the files of a folder in the order in which people count."""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from schemas.errors import InputError

IMAGE_SUFFIXES: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".tif", ".tiff", ".webp"})
"""Of the files in a folder that are its frames; all others are passed over."""
LARGEST_16_BIT: Final = 65_535


def images_in(folder: Path) -> list[Path]:
    """Return the images directly in a folder, in natural order: 2 before 10."""
    return sorted((file for file in folder.iterdir() if _is_image(file)), key=natural)


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Return a key by which names are ordered as people count: 2 before 10."""
    words = re.findall(r"\d+|\D+", str(path))
    return [(0, int(word), "") if word.isdecimal() else (1, 0, word) for word in words]


def read_image(file: Path) -> NDArray[Any]:
    """
    Return an image's grey levels.

    Returns
    -------
    (y, x) uint8; uint16 where the file has more than 8 bits, float32 where it has floats

    Raises
    ------
    InputError
        it is no image, damaged, or has more than 16 bits.
    """
    try:
        with Image.open(file) as image:
            if image.mode == "F":
                return np.asarray(image)
            if image.mode.startswith("I"):
                return _of_16_bits(file, np.asarray(image))
            return np.asarray(image.convert("L"))
    except InputError:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:  # Pillow has many for broken files
        raise InputError(f"{file} is no image that can be read: {said(error)}; mend or remove it") from error


def said(error: BaseException) -> str:
    """Return what a library says of an error, on part of a line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())[:160].rstrip(".").lower()


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and not file.name.startswith(".") and file.is_file()


def _of_16_bits(file: Path, values: NDArray[Any]) -> NDArray[np.uint16]:
    """Return what Pillow holds in 16 or in 32 bits."""
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > LARGEST_16_BIT:
        raise InputError(f"{file} has values from {low} to {high}; give images of 8 or 16 bits")
    return values.astype(np.uint16)
