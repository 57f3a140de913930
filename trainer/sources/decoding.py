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
from trainer.sources.rain import as_stored
from trainer.sources.resize import FULL_SCALE, fitted
from trainer.sources.windows import Run, cadence_of, cut, unbroken

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
    masked: bool = False
    """Whether a frame has pixels without data, which are NaN."""
    problems: list[str] = field(default_factory=list)
    """What could not be read, and why: single pictures, or all of it."""


def decode(clip: Clip, recipe: Recipe, folder: Path) -> Decoded:
    """
    Decode a clip into a folder, which is there only once all of it is.

    Of the pictures that follow each other without a gap every k-th is kept, cropped and resized. Hard cuts, files that
    are skipped, and pictures without any data are gaps.

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
    count = len(clip.stamps or clip.numbers or clip.files[1:]) or UNKNOWN_COUNT
    with ExitStack() as stack:
        keeper = _Keeper(clip, recipe, stack.enter_context(file.open("wb")), decoded)
        images = pictures(clip, recipe)
        stack.callback(images.close)
        _keep(images, iter(unbroken(clip, count)), recipe.every, keeper)
    decoded.cadence = decoded.cadence or cadence_of(clip.stamps)
    if decoded.cadence is not None:
        decoded.cadence *= recipe.every


def _keep(images: Iterable[Numbered], runs: Iterator[Run], every: int, keeper: "_Keeper") -> None:
    """Keep every k-th picture of each run."""
    run = next(runs, None)
    for index, values, cadence, problem in images:
        keeper.decoded.cadence = cadence
        while run is not None and index >= run[1]:
            keeper.end_run()
            run = next(runs, None)
        if run is None:
            break
        if index < run[0] or (index - run[0]) % every:
            continue
        if values is None:
            keeper.lose(problem)
        else:
            keeper.add(index, values)
    keeper.end_run()


class _Keeper:
    """
    Write the pictures that are kept, and note them.

    Parameters
    ----------
    clip, recipe : of the pictures
    out : where their frames go
    decoded : what is noted
    """

    def __init__(self, clip: Clip, recipe: Recipe, out: IO[bytes], decoded: Decoded) -> None:
        self.decoded = decoded
        self._clip, self._recipe, self._out = clip, recipe, out
        self._first: NDArray[Any] | None = None
        self._begun = 0
        self._finder: CutFinder | None = None

    def add(self, index: int, values: NDArray[Any]) -> None:
        """
        Crop, resize and write the picture of an index; one that has no data is a gap.

        Raises
        ------
        InputError
            it has another size or type than the first of its clip.
        """
        self._first = values if self._first is None else self._first
        _refuse_another_kind(index, values, self._first)
        frame = fitted(values, self._recipe)
        unknown = np.isnan(frame) if frame.dtype.kind == "f" else np.zeros(1, np.bool_)
        if unknown.all():
            self.lose(f"{self._clip.name}: picture {index} has no data in the part that is used")
            return
        if self._recipe.rain is not None:
            frame = as_stored(frame, self._recipe.rain)
        else:
            self._look_for_cuts(frame)
        self._out.write(np.ascontiguousarray(frame).data)
        self.decoded.dtype = frame.dtype.name
        self.decoded.masked |= bool(unknown.any())
        self.decoded.kept.append(index)

    def lose(self, problem: str) -> None:
        """Note that a picture is missing, and why; the run ends before it."""
        self.decoded.problems.append(problem)
        self.end_run()

    def end_run(self) -> None:
        """Note the frames since the last run, in parts where the scene was cut."""
        stop = len(self.decoded.kept)
        cuts = self._finder.cuts() if self._finder else []
        if stop > self._begun:
            self.decoded.runs += cut((self._begun, stop), [self._begun + place for place in cuts])
        self._begun, self._finder = stop, None

    def _look_for_cuts(self, frame: NDArray[Any]) -> None:
        self._finder = self._finder or CutFinder(FULL_SCALE.get(frame.dtype.name, 1.0))
        self._finder.add(frame)


def _refuse_another_kind(index: int, values: NDArray[Any], first: NDArray[Any]) -> None:
    """Raise InputError where a picture has another size or type than the first of its clip."""
    (y, x), (a, b) = values.shape, first.shape
    if (y, x) != (a, b):
        raise InputError(f"picture {index} has {y}x{x} px, those before {a}x{b}; give clips of one size each")
    if values.dtype != first.dtype:
        raise InputError(
            f"picture {index} is {values.dtype}, those before are {first.dtype}; give clips of one kind each"
        )
