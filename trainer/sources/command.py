"""The command `trainer prepare`."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from schemas.errors import InputError
from schemas.rain import ScalingKind
from schemas.recipe import OnDamage, Recipe, SourceKind, SplitBy
from trainer.machine import cores
from trainer.sources.owners import OWNERS, how

if TYPE_CHECKING:
    from trainer.sources.prepare import Progress, Report

LINE_SECONDS = 5.0
"""Between two lines of a log."""
_SIZE = re.compile(r"(\d+)(?:x(\d+))?")
_CROP = re.compile(r"(\d+)x(\d+)(?:\+(\d+)\+(\d+))?")


def _says(name: str) -> str:
    return str(Recipe.model_fields[name].description)


def _say_how(context: click.Context, _option: click.Parameter, kind: SourceKind | None) -> None:
    if kind is not None:
        click.echo(how(kind))
        context.exit()


@click.command()
@click.argument("kind", type=click.Choice(get_args(SourceKind)))
@click.argument("source", metavar="SOURCE")
@click.option("--out", metavar="STORE", required=True, help="path of the store")
@click.option("--size", metavar="N|HxW", default="128", show_default=True, help="of a frame, px")
@click.option("--crop", metavar="HxW[+TOP+LEFT]", help="part to resize  [default: the largest of its aspect]")
@click.option("--frames", type=int, default=10, show_default=True, help=_says("frames"))
@click.option("--stride", type=int, help="frames between two sequences' first ones  [default: no overlap]")
@click.option("--every", type=int, default=1, show_default=True, help=_says("every"))
@click.option("--split-by", type=click.Choice(get_args(SplitBy)), help="[default: the first of these that is possible]")
@click.option("--shares", metavar="%,%,%", default="70,15,15", show_default=True, help=_says("shares"))
@click.option("--seed", type=int, default=0, show_default=True, help=_says("seed"))
@click.option("--train", type=int, help="use only the first training sequences  [default: all]")
@click.option("--axes", metavar="AXIS,...", help="of an array  [default: time,sequence,y,x, or time,y,x]")
@click.option("--variable", metavar="NAME", help="of netCDF or Zarr  [default: the only one that is rain]")
@click.option(
    "--scaling", type=click.Choice(get_args(ScalingKind)), default="linear", show_default=True, help=_says("scaling")
)
@click.option(
    "--on-damage", type=click.Choice(get_args(OnDamage)), default="stop", show_default=True, help=_says("on_damage")
)
@click.option("--workers", type=click.IntRange(min=1), help="processes that decode  [default: all cores]")
@click.option("--overwrite", is_flag=True, help="delete the store that lies there")
@click.option("--download", is_flag=True, help="fetch the data set into SOURCE first, where its owner lets everyone")
@click.option(
    "--how",
    type=click.Choice(get_args(SourceKind)),
    is_eager=True,
    expose_value=False,
    callback=_say_how,
    help="say where a data set is published, on which terms and in which layout, and exit",
)
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def prepare(
    *,
    kind: Any,
    source: str,
    out: str,
    workers: int | None,
    overwrite: bool,
    download: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """
    Turn the files in SOURCE into a store of sequences, and print its path.

    KIND is how they are laid out: kth, kitti and dtdb, as the owners of these data sets have them; video, any videos
    and folders of images; radar, composites of FMI, MeteoSwiss, BoM and KNMI, ODIM's, and any netCDF or Zarr variable
    of rain; array, .npy and .npz such as the test set of Moving MNIST. The same command again continues what was cut
    off.
    """
    from trainer.sources.prepare import prepare as prepare_store

    if "://" in out:
        raise InputError(f"--out {out} is a URL; give a local path and copy the store afterwards")
    recipe = _recipe(kind, **asked)
    with _shown() as show:
        if download:
            _download(kind, Path(source), show)
        report = prepare_store(
            Path(source), recipe, Path(out), workers=workers or cores(), overwrite=overwrite, show=show
        )
    for line in _summary(report):
        click.echo(line, err=True)
    if as_json:
        click.echo(json.dumps({**vars(report), "path": str(report.path)}, indent=2))
    else:
        click.echo(report.path)


def _download(kind: SourceKind, source: Path, show: "Callable[[Progress], None]") -> None:
    from trainer.sources.download import download
    from trainer.sources.prepare import Progress

    downloads = OWNERS[kind].downloads
    if not downloads:
        raise InputError(f"--download cannot fetch {kind}; see `trainer prepare --how {kind}`")
    download(downloads, source, lambda name, done, total: show(Progress(f"bytes of {name}", done, total)))


def _recipe(kind: str, *, size: str, crop: str | None, shares: str, axes: str | None, **fields: Any) -> Recipe:
    height, width = _size(size)
    return Recipe.parse(
        {
            "kind": kind,
            "height": height,
            "width": width,
            "crop": None if crop is None else _crop(crop),
            "shares": _shares(shares),
            "axes": None if axes is None else axes.split(","),
            **fields,
        }
    )


def _size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise InputError(f"--size is {text}; give a side or height x width in px, e.g. 128 or 96x128")
    return int(match[1]), int(match[2] or match[1])


def _crop(text: str) -> dict[str, int | None]:
    match = _CROP.fullmatch(text)
    if match is None:
        raise InputError(f"--crop is {text}; give height x width in px and maybe row and column, e.g. 112x112+4+24")
    height, width, top, left = (None if part is None else int(part) for part in match.groups())
    return {"height": height, "width": width, "top": top, "left": left}


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) / 100 for part in text.split(","))
    except ValueError:
        raise InputError(f"--shares is {text}; give three numbers that add up to 100, e.g. 70,15,15") from None


def _summary(report: "Report") -> Iterator[str]:
    yield from (f"skipped: {problem}" for problem in report.skipped)
    if report.too_short:
        yield f"dropped: {report.too_short} runs of frames that are shorter than a sequence"
    counts = ", ".join(f"{count:,} for {split}" for split, count in report.sequences.items())
    how = f", split by {report.by}" if report.by else ", which were there already"
    yield f"{sum(report.sequences.values()):,} sequences of {report.sources:,} sources: {counts}{how}"


@contextmanager
def _shown() -> "Iterator[Callable[[Progress], None]]":
    """Show on stderr how far it is: a line that changes on a terminal, else a line every few seconds."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_interactive:
        with console.status("looking for files") as status:
            yield lambda progress: status.update(_line(progress))
        return
    last = time.monotonic()

    def say(progress: "Progress") -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            click.echo(_line(progress), err=True)

    yield say


def _line(progress: "Progress") -> str:
    return f"{progress.done:,} of {progress.total:,} {progress.doing}"
