"""Arrays of many sequences, as the published test set of Moving MNIST and `datagen export` have them."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.recipe import AXIS_NAMES, Recipe
from trainer.sources.clips import Clip
from trainer.sources.footage import contents
from trainer.sources.images import natural, said

AXES: Final = {3: ("time", "y", "x"), 4: ("time", "sequence", "y", "x")}
"""Of arrays whose recipe does not say it, by their number: those of Moving MNIST."""
PREFERRED: Final = ("frames", "arr_0")
"""Arrays of an .npz that are taken where it has several."""
_TYPES = ("uint8", "uint16", "float16", "float32", "float64")


def survey(source: Path, recipe: Recipe) -> list[Clip]:
    """
    Return the arrays in a folder, or that of one file; each of their sequences is a source of its own.

    Raises
    ------
    InputError
        there is none, or one of other axes or another type.
    """
    files = [source] if source.is_file() else sorted((*source.glob("*.npy"), *source.glob("*.npz")), key=natural)
    if not files:
        raise InputError(f"{source} holds {contents(source)}; give a folder with .npy or .npz files")
    clips = []
    for file in files:
        sequences, time = _opened(file, recipe).shape[:2]
        ranges = tuple((start * time, (start + 1) * time) for start in range(sequences))
        clips.append(Clip(name=file.name, files=(file,), ranges=ranges, apart=True))
    return clips


def pictures(clip: Clip, recipe: Recipe) -> Iterator[NDArray[Any]]:
    """
    Yield the frames of an array, sequence by sequence.

    Raises
    ------
    InputError
        a float is not in [0, 1].
    """
    (file,) = clip.files
    for number, sequence in enumerate(_opened(file, recipe)):
        for frame in sequence:
            yield _checked(file, number, np.asarray(frame))


def _opened(file: Path, recipe: Recipe) -> NDArray[Any]:
    """Return (sequence, time, y, x), in a file's memory where it can be mapped."""
    array = _loaded(file)
    axes = recipe.axes or AXES.get(array.ndim)
    if axes is None or len(axes) != array.ndim:
        asked = "" if axes is None else f", --axes names {len(axes)}"
        raise InputError(f"{file} has the shape {array.shape}{asked}; give e.g. --axes sequence,time,y,x")
    if 0 in array.shape or array.dtype.name not in _TYPES:
        raise InputError(f"{file} holds {array.shape} {array.dtype}; give uint8, uint16, or floats in [0, 1]")
    if "channel" in axes and array.shape[axes.index("channel")] != 1:
        raise InputError(f"{file} has {array.shape[axes.index('channel')]} channels; give grey frames, of one")
    array = array.transpose([axes.index(name) for name in AXIS_NAMES if name in axes])
    if "channel" in axes:
        array = array.squeeze(AXIS_NAMES.index("channel") if "sequence" in axes else 0)
    return array if "sequence" in axes else array[None]


def _loaded(file: Path) -> NDArray[Any]:
    try:
        loaded = np.load(file, mmap_mode="r", allow_pickle=False)
        return loaded if isinstance(loaded, np.ndarray) else loaded[_chosen(file, loaded.files)]
    except InputError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{file} is no array that can be read: {said(error)}; write one with numpy.save") from error


def _chosen(file: Path, names: list[str]) -> str:
    chosen = next((name for name in PREFERRED if name in names), names[0] if len(names) == 1 else None)
    if chosen is None:
        raise InputError(f"{file} has the arrays {', '.join(names)}; give a file with one, or one named frames")
    return chosen


def _checked(file: Path, sequence: int, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "u":
        return values
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # neither holds for NaN
        raise InputError(
            f"{file}, sequence {sequence}, has values from {low:g} to {high:g}; give floats in [0, 1], 1 is full scale"
        )
    return values.astype(np.float32)
