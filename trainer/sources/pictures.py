"""The pictures of a clip, one after the other."""

from collections.abc import Generator
from typing import Any, NamedTuple

from numpy.typing import NDArray

from schemas.errors import InputError
from schemas.recipe import Recipe
from trainer.sources import array
from trainer.sources.clips import Clip
from trainer.sources.images import read_image
from trainer.sources.radar import survey as radar
from trainer.sources.video import grey, open_video


class Numbered(NamedTuple):
    """
    A picture with its place in the clip, from 0.

    values : (y, x), grey levels in uint8 or uint16, float32 fractions of full scale, or mm/h with NaN for no data; None
        where the file is damaged and the recipe says to skip it
    cadence : s to the next, where the file says so itself; else None
    problem : why there are no values
    """

    place: int
    values: NDArray[Any] | None
    cadence: float | None = None
    problem: str = ""


def pictures(clip: Clip, recipe: Recipe) -> Generator[Numbered, None, None]:
    """
    Yield the pictures of a clip in order; only one is held.

    Raises
    ------
    InputError
        a file cannot be read.
    MissingExtraError
        PyAV is needed and not installed.
    """
    if recipe.kind == "radar":
        return _of_radar(clip, recipe)
    if recipe.kind == "array":
        return (Numbered(index, picture) for index, picture in enumerate(array.pictures(clip, recipe)))
    return _of_images(clip, recipe) if len(clip.files) > 1 else _of_video(clip)


def _of_images(clip: Clip, recipe: Recipe) -> Generator[Numbered, None, None]:
    for index, file in enumerate(clip.files):
        try:
            yield Numbered(index, read_image(file))
        except InputError as error:
            if recipe.on_damage == "stop":
                raise
            yield Numbered(index, None, problem=str(error))


def _of_video(clip: Clip) -> Generator[Numbered, None, None]:
    (file,) = clip.files
    with open_video(file) as video:
        for index, frame in enumerate(video.frames):
            yield Numbered(index, grey(frame), video.cadence)


def _of_radar(clip: Clip, recipe: Recipe) -> Generator[Numbered, None, None]:
    for index, rain in radar.pictures(clip, recipe):
        if not isinstance(rain, InputError):
            yield Numbered(index, rain.values)
        elif recipe.on_damage == "stop":
            raise rain
        else:
            yield Numbered(index, None, problem=str(rain))
