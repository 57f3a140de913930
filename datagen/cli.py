"""The command `datagen`: parse, call, print, exit code."""

import errno
import gc
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NoReturn

import click

from datagen import progress
from datagen.options import (
    json_option,
    range_options,
    request_of,
    spec_options,
    stored_options,
    version_option,
    with_default,
)
from datagen.request import DEFAULT_N, resolve
from schemas.errors import InputError, MissingExtraError
from schemas.generate import json_schema
from schemas.model import Model
from schemas.render import RenderSpec
from schemas.store import StoreAttributes

if TYPE_CHECKING:
    from datagen.storage.engine import RenderReport
    from datagen.storage.verify import VerifyReport
    from datagen.views.source import Source

COLLECT_EVERY = 50_000
"""Allocations between two garbage collections: at Python's 700 they take a tenth of a start, and find nothing."""
PREVIEWED = 4
"""Sequences in a picture, if there are so many."""
MOST_PROBLEMS = 20
"""Lines of text that a verification prints."""
NEEDED_PACKAGES = frozenset({"PIL", "filelock", "google_crc32c", "llvmlite", "numba"})
"""What the extra `datagen` brings."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """
    Run the command line and exit: 0 done, 1 the input or the world is at fault, 2 usage, 130 interrupted.

    Parameters
    ----------
    arguments : without the program's name; None for those of the process
    """
    gc.set_threshold(COLLECT_EVERY)
    _log_to_stderr()
    sys.exit(_exit_code(arguments))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@version_option
def datagen() -> None:
    """
    Render synthetic image sequences with known physics: objects that translate, rotate, grow or decay, under noise.

    Sequence i is a function of the spec and i alone, so the same command gives the same bytes anywhere, and goes on
    with what an earlier one left unfinished.
    """


@datagen.command()
@spec_options
@stored_options
@click.option("--n", type=int, help=with_default("sequences", f"{DEFAULT_N:,}, or what the spec's splits add up to"))
@click.option("--out", metavar="PATH|URL", help=with_default("where the store goes", "./<property or preset>.zarr"))
@click.option("--workers", type=click.IntRange(min=1), help=with_default("threads that render", "all cores"))
@click.option("--scheduler", metavar="ADDRESS", help="render on a Dask cluster instead, e.g. tcp://10.0.0.1:8786")
@click.option("--service", metavar="URL", help="let `datagen serve` render there; STMOE_TOKEN holds its key")
@click.option("--overwrite", is_flag=True, help="delete another store that lies there")
@json_option
def render(
    *,
    n: int | None,
    out: str | None,
    workers: int | None,
    scheduler: str | None,
    service: str | None,
    overwrite: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """
    Render sequences into a Zarr store, and print its path.

    What is there already is not rendered again: after an interruption the same command continues, and a larger --n
    extends the store. With --service the store lies there: --out gives its name, or a URL that the operator allows.
    """
    request = request_of(**asked)
    if workers is not None and scheduler is not None:
        raise click.UsageError("--workers are threads of this machine; give them or --scheduler")
    if service is not None and (workers is not None or scheduler is not None or overwrite):
        raise click.UsageError("a service renders as its operator says; give --service without the other's options")
    data = resolve(request)
    if service is not None:
        address, job = _remote().render_there(service, data.spec, data.n if n is None else n, out)
        click.echo(_json({**job.model_dump(), "address": address}) if as_json else address)
        return
    count, target = data.n if n is None else n, out or f"{data.name}.zarr"
    _require_kernels()
    from datagen.storage.engine import render_store
    from datagen.storage.units import unit_count

    unit_count(data.spec, count)  # refuses an n that is none before anything is said
    _say(f"rendering {count:,} sequences of {data.name} into {target}, spec {data.spec.digest[:12]}")
    try:
        with progress.shown("rendering") as update:
            report = render_store(
                data.spec,
                count,
                target,
                sprites=data.sprites,
                workers=workers,
                scheduler=scheduler,
                overwrite=overwrite,
                progress=update,
            )
    except KeyboardInterrupt:
        _say(f"interrupted; what is finished stays in {target}, and the same command continues")
        raise click.exceptions.Exit(progress.INTERRUPTED) from None
    _say(_summary(report))
    click.echo(_json(_with_rate(report)) if as_json else report.path)


@datagen.command()
@click.argument("store")
@json_option
def inspect(*, store: str, as_json: bool) -> None:
    """
    Describe STORE, a path or URL: spec, state, arrays, sizes.

    The store may be unfinished, or hold real data.
    """
    from datagen.summary import as_text, summarise_store

    summary = summarise_store(store)
    click.echo(_json(summary) if as_json else as_text(summary))


@datagen.command()
@click.argument("store")
@click.option("--repair", is_flag=True, help="render damaged and missing units again; the bytes are those of before")
@json_option
def verify(*, store: str, repair: bool, as_json: bool) -> None:
    """
    Check STORE: its structure, every checksum, and a sample of sequences, which are rendered again.

    Exits with 1 if something is wrong and not repaired.
    """
    _require_kernels()
    from datagen.storage.verify import verify_store

    with progress.shown("verifying") as update:
        report = verify_store(store, repair=repair, progress=update)
    if as_json:
        click.echo(_json({**asdict(report), "ok": report.ok}))
    else:
        click.echo("\n".join(_verdict(report)))
    if not report.ok:
        raise InputError(_complaint(report, repair=repair))


@datagen.command()
@click.argument("store", required=False)
@spec_options
@range_options(count="4, or what there is")
@click.option(
    "--overlay",
    "overlays",
    type=click.Choice(["flow", "mask"]),
    multiple=True,
    help=with_default("truth drawn over the frames; may be given twice", "none"),
)
@click.option(
    "--out",
    metavar="FILE",
    help=with_default(".gif or .webp moves, .png has a row per sequence", "./<store, property or preset>.gif"),
)
def preview(
    *, store: str | None, start: int, count: int | None, overlays: tuple[Any, ...], out: str | None, **asked: Any
) -> None:
    """Draw a few sequences of STORE, or of a spec that nobody has rendered, and print the picture's path."""
    source, name = _source(store, asked)
    from datagen.views.preview import write_preview

    picture = out or f"{name}.gif"
    write_preview(source, picture, sequences=_chosen(source, start, count, PREVIEWED), overlays=overlays)
    click.echo(picture)


@datagen.command()
@click.argument("store")
@click.argument("out", metavar="FILE")
@range_options(count="all from --start on")
@click.option("--overwrite", is_flag=True, help="replace a file that is there")
def export(*, store: str, out: str, start: int, count: int | None, overwrite: bool) -> None:
    """
    Write sequences of STORE to FILE, and print its path.

    A .npy holds the frames as (time, sequence, y, x), the order of Moving MNIST; a .npz every array by name, and the
    spec; a .mp4 is a lossy video of one sequence after the other.
    """
    from datagen.storage.store import open_store
    from datagen.views.export import export_sequences
    from datagen.views.source import StoreSource

    source = StoreSource(open_store(store))
    chosen = _chosen(source, start, count, source.n)
    with progress.shown("exporting") as update:
        export_sequences(source, out, start=chosen.start, stop=chosen.stop, overwrite=overwrite, progress=update)
    click.echo(out)


@datagen.command()
@click.argument("of", type=click.Choice(["spec", "store"]), default="spec")
def schema(*, of: str) -> None:
    """Print the JSON Schema of spec files, or that of a store's attributes."""
    models: dict[str, type[Model]] = {"spec": RenderSpec, "store": StoreAttributes}
    click.echo(json_schema(models[of]), nl=False)


@datagen.command()
def warmup() -> None:
    """
    Compile all kernels now, and print the folder that keeps them.

    Every command that needs them does this by itself, once; NUMBA_CACHE_DIR chooses another folder.
    """
    from datagen.warmup import warm_up

    click.echo(warm_up())


@datagen.command()
@click.option("--host", help=with_default("address to listen on; beyond loopback keys are needed", "127.0.0.1"))
@click.option("--port", type=int, help=with_default("TCP port, 0 for any that is free", 8000))
@click.option("--data-root", metavar="FOLDER", help=with_default("where stores and specs lie", "./stores"))
@click.option("--keys-file", metavar="FILE", help="API keys as JSON  [default: DATAGEN_KEYS, or none]")
@click.option("--allow-anonymous", is_flag=True, default=None, help="listen beyond loopback without keys")
@click.option("--threads", type=int, help=with_default("threads that render", "all cores"))
@click.option("--scheduler", metavar="ADDRESS", help="render jobs on a Dask cluster, e.g. tcp://10.0.0.1:8786")
def serve(**given: Any) -> None:
    """
    Serve sequences, virtual stores and render jobs over HTTP, with a page to look at; print the address.

    Everything can be set by DATAGEN_* in the environment too.
    """
    _require_kernels()
    try:
        from datagen.service.server import serve as serve_http
        from datagen.service.settings import settings_from
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"serve needs {error.name}; pip install 'stmoe-synth[service]'") from None
    serve_http(settings_from(**given))


def _remote() -> Any:
    """Return what speaks with a service."""
    try:
        from datagen import remote
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"--service needs {error.name}; pip install 'stmoe-synth[service]'") from None
    return remote


def _exit_code(arguments: Sequence[str] | None) -> int:
    try:
        return int(datagen.main(arguments, prog_name="datagen", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "datagen"
        return _failed(f"{error.format_message().rstrip('.')}; see `{command} --help`", error.exit_code)
    except click.Abort:
        return _failed("interrupted", progress.INTERRUPTED)
    except (InputError, click.ClickException) as error:
        return _failed(str(error), 1)
    except ModuleNotFoundError as error:
        if error.name not in NEEDED_PACKAGES:
            raise
        return _failed(f"{error.name} is not installed; pip install 'stmoe-synth[datagen]'", 1)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of stdout, e.g. head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        what = f"{error.filename}: " if error.filename else ""
        return _failed(f"{what}{(error.strerror or str(error)).lower()}", 1)


def _source(store: str | None, asked: dict[str, Any]) -> "tuple[Source, str]":
    """Return what is to be shown, and its name: a store, or the spec that the options ask for."""
    if store is not None and any(value is not None for value in asked.values()):
        raise click.UsageError("a store has its spec; give STORE, or options that choose a spec")
    _require_kernels()
    from datagen.views.source import SpecSource, StoreSource

    if store is not None:
        from datagen.storage.store import open_store

        return StoreSource(open_store(store)), PurePath(store).stem
    from datagen.warmup import warm_up

    data = resolve(request_of(**asked))
    warm_up()
    return SpecSource(data.spec, data.sprites), data.name


def _chosen(source: "Source", start: int, count: int | None, by_default: int) -> range:
    """Return the numbers that --start and --count ask for."""
    there = source.n - start
    if there < 1:
        raise InputError(f"--start is {start}; {source.name} has sequences 0 to {source.n - 1}")
    if count is not None and count > there:
        raise InputError(f"--count is {count}; {source.name} has {there} sequences from --start on")
    return range(start, start + (min(by_default, there) if count is None else count))


def _failed(line: str, code: int) -> int:
    _say(f"error: {line}")
    return code


def _say(line: str) -> None:
    click.echo(line, err=True)


def _summary(report: "RenderReport") -> str:
    if not report.rendered:
        return f"all {report.n:,} sequences are there already"
    there = f"; {report.resumed:,} were there already" if report.resumed else ""
    rate = report.rendered / report.seconds
    return f"rendered {report.rendered:,} sequences in {report.seconds:.1f} s, {progress.speed(rate)}{there}"


def _verdict(report: "VerifyReport") -> Iterator[str]:
    """Yield what a verification found, line by line."""
    problems = [*report.structure, *(str(damage) for damage in report.damage)]
    yield from problems[:MOST_PROBLEMS]
    if len(problems) > MOST_PROBLEMS:
        yield f"and {len(problems) - MOST_PROBLEMS:,} more, which --json lists"
    if report.repaired:
        yield f"{report.path} is whole again: {report.n:,} sequences"
    elif report.ok:
        yield f"{report.path} is whole: {report.n:,} sequences, {len(report.samples)} rendered again and equal"


def _complaint(report: "VerifyReport", *, repair: bool) -> str:
    if report.obstacle:
        return report.obstacle
    if repair:
        return f"{report.path} is still damaged; render it again with --overwrite"
    state = "damaged" if report.complete else "not complete"
    return f"{report.path} is {state}; mend it with `datagen verify {shlex.quote(report.path)} --repair`"


def _with_rate(report: "RenderReport") -> dict[str, Any]:
    return {**asdict(report), "sequences_per_second": report.rendered / report.seconds}


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)


def _require_kernels() -> None:
    """Refuse, before anything is written, a machine that cannot keep compiled kernels."""
    from datagen.warmup import kernel_folder

    kernel_folder()


class _Talk(logging.Handler):
    """Print log lines on stderr as it is now: a progress bar, or a test, may have replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(self.format(record))


def _log_to_stderr() -> None:
    logger = logging.getLogger("datagen")
    logger.handlers = [_Talk()]
    logger.setLevel(logging.INFO)
    for library in ("asyncio", "distributed.client"):  # a lost connection prints tracebacks beside the command's line
        logging.getLogger(library).addFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False
