"""Pictures at another size: every pixel is the mean of the area that it covers."""

from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.recipe import Crop, Recipe

Array = NDArray[np.float32]

FULL_SCALE: Final = {"uint8": 255.0, "uint16": 65_535.0}
"""Of integers; that of floats is 1."""
LEAST_DATA: Final = 0.5
"""Share of a px's area that has data, below which the px has none."""


def fitted(picture: NDArray[Any], recipe: Recipe) -> NDArray[Any]:
    """
    Crop a picture and resize it to the frame of a recipe.

    Parameters
    ----------
    picture : (y, x), uint8, uint16, or float32, whose NaN are no data

    Returns
    -------
    (height, width) uint8 of uint8, rounded to the nearest level; else float32, of uint16 as fractions of full scale,
    and NaN where less than half of the area has data

    Raises
    ------
    InputError
        the part to crop lies outside the picture.
    """
    size = (recipe.height, recipe.width)
    part = _cropped(picture, recipe)
    if part.dtype == np.uint16:
        part = part / np.float32(FULL_SCALE["uint16"])
    if part.shape == size:
        return part
    averaged = _averaged_data(part, size) if part.dtype.kind == "f" else area_averaged(part, size)
    return np.rint(averaged).astype(np.uint8) if part.dtype == np.uint8 else averaged


def area_averaged(frames: NDArray[Any], size: tuple[int, int]) -> Array:
    """
    Resize frames; every px becomes the mean of the area that it covers, so that no brightness is lost.

    Parameters
    ----------
    frames : (..., y, x)
    size : (y, x) px of the result, >= 1

    Returns
    -------
    (..., size[0], size[1]) float32
    """
    by_y, by_x = (_coverage(now, then) for now, then in zip(frames.shape[-2:], size, strict=True))
    resized: Array = by_y @ frames.astype(np.float32) @ by_x.T
    return resized


def _averaged_data(part: NDArray[Any], size: tuple[int, int]) -> Array:
    """Return the mean over the data of each px's area, (y, x); NaN where they are less than half of it."""
    known = ~np.isnan(part)
    if known.all():
        return area_averaged(part, size)
    share = _share_known(known.tobytes(), known.shape, size)
    total = area_averaged(np.where(known, part, 0), size)
    averaged: Array = np.where(share >= LEAST_DATA, total / np.maximum(share, LEAST_DATA), np.nan).astype(np.float32)
    return averaged


@lru_cache(4)
def _share_known(known: bytes, shape: tuple[int, ...], size: tuple[int, int]) -> Array:
    """Return the share of each px's area that has data; a radar's is often the same for days."""
    return area_averaged(np.frombuffer(known, np.bool_).reshape(shape), size)


@lru_cache(16)
def _coverage(now: int, then: int) -> Array:
    """Return the share that each of `now` px has in each of `then` px along one axis, (then, now); rows sum to 1."""
    edges = np.arange(then + 1) * (now / then)
    left, right = np.arange(now), np.arange(1, now + 1)
    overlap = np.minimum(edges[1:, None], right) - np.maximum(edges[:-1, None], left)
    shares: Array = (np.clip(overlap, 0, None) * (then / now)).astype(np.float32)
    return shares


def _cropped(values: NDArray[Any], recipe: Recipe) -> NDArray[Any]:
    y, x = values.shape
    crop = recipe.crop or _of_aspect(y, x, recipe.height, recipe.width)
    top = (y - crop.height) // 2 if crop.top is None else crop.top
    left = (x - crop.width) // 2 if crop.left is None else crop.left
    if top < 0 or left < 0 or top + crop.height > y or left + crop.width > x:
        raise InputError(
            f"the crop {crop.height}x{crop.width} at row {top}, column {left} lies outside pictures of {y}x{x} px; "
            "give a smaller one"
        )
    return values[top : top + crop.height, left : left + crop.width]


def _of_aspect(y: int, x: int, height: int, width: int) -> Crop:
    """Return the largest part of a picture that has the aspect of a frame."""
    if y * width >= x * height:
        return Crop(height=max(1, x * height // width), width=x)
    return Crop(height=y, width=max(1, y * width // height))
