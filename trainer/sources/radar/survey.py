"""Radar files below a folder, whatever their form: each product's maps in the order of time, a clip for each day."""

import itertools
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

from schemas.errors import InputError, MissingExtraError
from schemas.recipe import Recipe
from trainer.sources.clips import Clip
from trainer.sources.footage import contents
from trainer.sources.images import natural
from trainer.sources.radar import fmi, gridded, knmi, mch, odim
from trainer.sources.radar.hdf5 import open_hdf5
from trainer.sources.radar.scan import Rain, Scan, require_time, said_time

Form = Literal["fmi", "mch", "knmi", "odim", "gridded"]
_SINGLE: Final = {"fmi": fmi, "mch": mch, "knmi": knmi, "odim": odim}
"""Readers of files with one map each."""
ADVICE: Final = "give a folder with FMI's .pgm.gz, MeteoSwiss's .gif, KNMI's or ODIM's .h5, or netCDF or Zarr with rain"


def survey(source: Path, recipe: Recipe) -> list[Clip]:
    """
    Return a clip for every product and day (UTC); what is of one day, of whatever product, is one source.

    Raises
    ------
    InputError
        there is no radar file, a file is not as its form has it, or two maps of a product are of one time.
    """
    files = [source] if form_by_name(source) else _radar_files(source)
    if not files:
        raise InputError(f"{source} holds {contents(source)}; {ADVICE}")
    scans = [scan for file in files for scan in scans_of(file, recipe)]
    clips = []
    for (product, day), of_day in itertools.groupby(sorted(scans, key=_in_order), key=_product_and_day):
        maps = list(of_day)
        _refuse_twice(maps)
        clips.append(_clip(f"{_folder(maps[0].file, source)}{product}/{day}", day, maps))
    return sorted(clips, key=lambda clip: natural(Path(clip.name)))


def pictures(clip: Clip, recipe: Recipe) -> Generator[tuple[int, Rain | InputError], None, None]:
    """
    Yield the maps of a clip with their places in it; only a few are held. A file that cannot be read yields why.

    Raises
    ------
    MissingExtraError
        a package that reads them is not installed.
    """
    index = 0
    for file, places in _runs(clip):
        begun = index
        try:
            for rain in _read(file, places, recipe):
                require_time(Scan(file, places.start + index - begun, clip.stamps[index], ""), rain.time)
                yield index, rain
                index += 1
        except MissingExtraError:
            raise
        except InputError as error:
            yield from ((place, error) for place in range(index, begun + len(places)))
        index = begun + len(places)


def scans_of(file: Path, recipe: Recipe) -> list[Scan]:
    """Return the maps of a file."""
    form = form_of(file)
    return gridded.scans(file, recipe.variable) if form == "gridded" else _SINGLE[form].scans(file)


def form_of(file: Path) -> Form:
    """Return the form of a file, by its name or, of HDF5, by what it holds."""
    form = form_by_name(file)
    if form != "knmi":
        return form or "gridded"
    with open_hdf5(file) as opened:
        if odim.is_odim(opened):
            return "odim"
        return "knmi" if "image1" in opened else "gridded"


def form_by_name(file: Path) -> Form | None:
    """Return the form that a file or folder has by its name, knmi for any HDF5; None where it is none of a radar."""
    name = file.name.lower()
    if name.endswith((".pgm", ".pgm.gz")):
        return "fmi"
    if name.endswith(".gif"):
        return "mch"
    if name.endswith((".h5", ".hdf5", ".hdf")):
        return "knmi"
    if name.endswith((".nc", ".nc4", ".zarr")):
        return "gridded"
    return None


def _radar_files(source: Path) -> list[Path]:
    if not source.is_dir():
        return []
    found = []
    for path in source.iterdir():
        if path.name.startswith("."):
            continue
        if form_by_name(path) and (path.is_file() or path.suffix == ".zarr"):
            found.append(path)
        elif path.is_dir():
            found += _radar_files(path)
    return sorted(found, key=natural)


def _read(file: Path, places: range, recipe: Recipe) -> Iterator[Rain]:
    form = form_of(file)
    return gridded.read(file, places, recipe.variable) if form == "gridded" else iter([_SINGLE[form].read(file)])


def _runs(clip: Clip) -> Iterator[tuple[Path, range]]:
    """Yield the files of a clip with the places in them that follow each other."""
    places = zip(clip.files, clip.places, strict=True)
    for (file, _), run in itertools.groupby(enumerate(places), key=lambda entry: (entry[1][0], entry[1][1] - entry[0])):
        within = [place for _, (_, place) in run]
        yield file, range(within[0], within[-1] + 1)


def _in_order(scan: Scan) -> tuple[str, float]:
    return scan.product, scan.time


def _product_and_day(scan: Scan) -> tuple[str, str]:
    return scan.product, f"{datetime.fromtimestamp(scan.time, UTC):%Y-%m-%d}"


def _refuse_twice(maps: list[Scan]) -> None:
    for a, b in pairwise(maps):
        if a.time == b.time:
            raise InputError(f"{a.file} and {b.file} are both of {said_time(a.time)}; take one away")


def _folder(file: Path, source: Path) -> str:
    """Return the folder of a file below the one that is prepared, with / at its end; "" for that itself."""
    folder = file.parent.relative_to(source if source != file else file.parent).as_posix()
    return "" if folder == "." else f"{folder}/"


def _clip(name: str, day: str, maps: list[Scan]) -> Clip:
    return Clip(
        name=name,
        source=day,
        files=tuple(scan.file for scan in maps),
        places=tuple(scan.place for scan in maps),
        stamps=tuple(scan.time for scan in maps),
        epoch=0.0,
    )
