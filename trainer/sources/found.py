"""The clips of a folder, found by the layout in which their owners publish them; nothing is decoded."""

from pathlib import Path

from schemas.errors import InputError
from schemas.recipe import Recipe
from trainer.sources import array, dtdb, footage, kitti, kth
from trainer.sources.clips import Clip
from trainer.sources.radar import survey as radar


def found(source: Path, recipe: Recipe) -> list[Clip]:
    """
    Return the clips of a folder or file, in natural order of their names.

    Parameters
    ----------
    source : local
    recipe : says which layout

    Raises
    ------
    InputError
        it does not exist, or is laid out in another way.
    """
    if not source.exists():
        raise InputError(f"{source} does not exist; give the folder that holds the files")
    match recipe.kind:
        case "kth":
            return kth.survey(source)
        case "kitti":
            return kitti.survey(source)
        case "dtdb":
            return dtdb.survey(source, recipe)
        case "video":
            return footage.survey(source)
        case "radar":
            return radar.survey(source, recipe)
        case "array":
            return array.survey(source, recipe)
