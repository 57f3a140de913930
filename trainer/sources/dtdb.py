"""DTDB (Hadji and Wildes, ECCV 2018): dynamic textures, a folder to train and one to test, each with its classes."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from schemas.errors import InputError
from schemas.recipe import Recipe
from trainer.data.splits import Split
from trainer.sources import footage
from trainer.sources.clips import Clip

_PART = re.compile(r"(?:.*[_-])?(train|test)(?:ing)?(?:[_-].*)?", re.IGNORECASE)


def survey(source: Path, recipe: Recipe) -> list[Clip]:
    """
    Return the videos of DTDB below a folder, with the owners' split.

    The owners have no videos to validate with: these are taken from those to train with, in a seeded order, as many as
    the recipe's shares say.

    Raises
    ------
    InputError
        there is none, or one that is neither below a folder to train nor below one to test.
    """
    clips = footage.survey(source)
    parts = [_part(clip) for clip in clips]
    lost = [clip.name for clip, part in zip(clips, parts, strict=True) if part is None]
    if lost:
        raise InputError(
            f"{source} holds {lost[0]}, in no folder train or test; give DTDB's folder, e.g. with train/fire/a.avi and "
            "test/fire/b.avi, or the kind video"
        )
    training = [place for place, part in enumerate(parts) if part == "train"]
    share = recipe.shares[1] / (recipe.shares[0] + recipe.shares[1])
    count = min(max(1, round(share * len(training))), len(training) - 1)
    order = np.random.default_rng(recipe.seed).permutation(len(training))
    validation = {training[place] for place in order[: max(count, 0)]}
    return [
        replace(clip, split="validation" if place in validation else part)
        for place, (clip, part) in enumerate(zip(clips, parts, strict=True))
    ]


def _part(clip: Clip) -> Split | None:
    for folder in Path(clip.name).parent.parts:
        if match := _PART.fullmatch(folder):
            return "train" if match[1].lower() == "train" else "test"
    return None
