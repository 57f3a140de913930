"""What is found in a folder: clips, each of pictures in the order of time."""

from dataclasses import dataclass
from pathlib import Path

from trainer.data.splits import Split


@dataclass(frozen=True, kw_only=True)
class Clip:
    """
    Pictures of one size in the order of time: a video, a folder of images, an array, or a day of a radar's maps.

    Everything is known without decoding a picture, but how many a video has.
    """

    name: str
    """Path below the folder that is prepared, with /: one of the store's `sources`."""
    files: tuple[Path, ...]
    """One for all pictures, or one for each."""
    places: tuple[int, ...] = ()
    """Of each picture in its file, from 0, where files hold several and each picture's file is named."""
    source: str = ""
    """What is never in two splits, e.g. a drive that several cameras saw; "" for the clip itself."""
    split: Split | None = None
    """Where the owners' rule puts it; None where there is none."""
    numbers: tuple[int, ...] = ()
    """Of the pictures, where the owner numbers them; a number that lacks is a gap. () for 0, 1, 2, .."""
    stamps: tuple[float, ...] = ()
    """Of the pictures, s, ascending, where the owner says them; a gap in time is one in the clip. () for none."""
    epoch: float | None = None
    """S since 1970, UTC, of the stamp 0; None where it is unknown."""
    ranges: tuple[tuple[int, int], ...] = ()
    """(start, stop) of the pictures, counted from 0, that belong together; () for all. No other picture is used."""
    apart: bool = False
    """Whether each of the ranges is a source of its own, as for an array of many sequences."""
