"""One clip, decoded once: its frames at their final size in a folder of work, with what is known of them."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from schemas.errors import InputError, MissingExtraError
from schemas.recipe import Recipe
from trainer.sources.clips import Clip
from trainer.sources.cuts import CutFinder
from trainer.sources.pictures import Numbered, pictures
from trainer.sources.resize import FULL_SCALE, fitted
from trainer.sources.windows import Run, cut, unbroken

FRAMES, INFO = "frames.bin", "info.json"
UNKNOWN_COUNT = 2**31 - 1
"""In place of the pictures of a video, which are counted as they come."""


@dataclass(kw_only=True)
class Decoded:
    """What is known of a clip that lies in its folder of work."""

    dtype: str = "uint8"
    """Of the frames."""
    kept: list[int] = field(default_factory=list)
    """Picture of the clip, from 0, that each frame is."""
    runs: list[Run] = field(default_factory=list)
    """Frames that follow each other without a gap."""
    cadence: float | None = None
    """Between two frames of a run, s."""
    problems: list[str] = field(default_factory=list)
    """What could not be read, and why: single pictures, or all of it."""


def decode(clip: Clip, recipe: Recipe, folder: Path) -> Decoded:
    """
    Decode a clip into a folder, which is there only once all of it is.

    Of the pictures that follow each other without a gap every k-th is kept, cropped and resized. Hard cuts, and files
    that are skipped, are gaps.

    Parameters
    ----------
    folder : whose parent exists

    Raises
    ------
    InputError
        a file cannot be read, or pictures differ in size or type, and the recipe says stop.
    """
    aside = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    decoded = Decoded()
    try:
        _write_frames(clip, recipe, aside / FRAMES, decoded)
    except InputError as error:
        if recipe.on_damage == "stop" or isinstance(error, MissingExtraError):
            raise
        decoded = Decoded(problems=[str(error)])
    (aside / INFO).write_text(json.dumps(asdict(decoded)), encoding="utf-8")
    aside.replace(folder)
    return decoded


def read_decoded(folder: Path) -> Decoded:
    """Return what is known of a clip that was decoded into a folder."""
    fields = json.loads((folder / INFO).read_text(encoding="utf-8"))
    return Decoded(**{**fields, "runs": [(start, stop) for start, stop in fields["runs"]]})


def frames_of(folder: Path, decoded: Decoded, recipe: Recipe) -> NDArray[Any]:
    """Return a clip's frames, (time, height, width), mapped into memory."""
    shape = (len(decoded.kept), recipe.height, recipe.width)
    return np.memmap(folder / FRAMES, np.dtype(decoded.dtype), "r", shape=shape)


def _write_frames(clip: Clip, recipe: Recipe, file: Path, decoded: Decoded) -> None:
    count = len(clip.files) if len(clip.files) > 1 else UNKNOWN_COUNT
    runs = iter(unbroken(clip, count))
    with ExitStack() as stack:
        out = stack.enter_context(file.open("wb"))
        images = pictures(clip, recipe)
        stack.callback(images.close)
        _keep(images, runs, recipe, out, decoded)
    if decoded.cadence is not None:
        decoded.cadence *= recipe.every


def _keep(images: Iterable[Numbered], runs: Iterator[Run], recipe: Recipe, out: IO[bytes], decoded: Decoded) -> None:
    """Write the pictures that are kept, run by run, and note them."""
    first: NDArray[Any] | None = None
    run = next(runs, None)
    begun, finder = 0, None
    for index, values, cadence, problem in images:
        decoded.cadence = cadence
        while run is not None and index >= run[1]:
            _end(decoded, begun, finder)
            begun, finder, run = len(decoded.kept), None, next(runs, None)
        if run is None:
            break
        if index < run[0] or (index - run[0]) % recipe.every:
            continue
        if values is None:
            decoded.problems.append(problem)
            _end(decoded, begun, finder)
            begun, finder = len(decoded.kept), None
            continue
        first = values if first is None else first
        _refuse_another_kind(index, values, first)
        frame = fitted(values, recipe)
        decoded.dtype = frame.dtype.name
        finder = finder or CutFinder(FULL_SCALE.get(frame.dtype.name, 1.0))
        finder.add(frame)
        out.write(np.ascontiguousarray(frame).data)
        decoded.kept.append(index)
    _end(decoded, begun, finder)


def _refuse_another_kind(index: int, values: NDArray[Any], first: NDArray[Any]) -> None:
    """Raise InputError where a picture has another size or type than the first of its clip."""
    (y, x), (a, b) = values.shape, first.shape
    if (y, x) != (a, b):
        raise InputError(f"picture {index} has {y}x{x} px, those before {a}x{b}; give clips of one size each")
    if values.dtype != first.dtype:
        raise InputError(
            f"picture {index} is {values.dtype}, those before are {first.dtype}; give clips of one kind each"
        )


def _end(decoded: Decoded, begun: int, finder: CutFinder | None) -> None:
    """Note a run of frames that has ended, in parts where the scene was cut."""
    if finder is not None and len(decoded.kept) > begun:
        decoded.runs += cut((begun, len(decoded.kept)), [begun + place for place in finder.cuts()])
