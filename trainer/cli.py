"""The command `trainer`: parse, call, print, exit code."""

import errno
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT, SIGTERM, signal
from typing import Any, NoReturn, get_args

import click

from schemas.errors import InputError
from schemas.model import Model
from schemas.run import Data, Execution, ModelKind, Network, Precision, RunConfig, Scale, Schedule
from trainer import progress
from trainer.asking import config_of, parsed_stores
from trainer.reproduction.command import reproduce
from trainer.sources.command import prepare

INTERRUPTED, TERMINATED = 130, 143
CONTINUED = frozenset({"fit", "prepare", "reproduce"})
"""Commands that go on where they were interrupted."""
NEEDED_PACKAGES = frozenset({"matplotlib", "PIL", "tensorboard", "torch"})
"""What the extra `trainer` brings."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """
    Run the command line and exit: 0 done, 1 input or world at fault, 2 usage, 130 interrupted, 143 terminated.

    Parameters
    ----------
    arguments : without the program's name; None for those of the process
    """
    _log_to_stderr()
    with _unwinding_on_sigterm():
        code = _exit_code(arguments)
    sys.exit(code)


class _ManyValues(click.Command):
    """A command whose option --synthetic takes all the values that follow it."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Repeat --synthetic before every further value that names a store."""
        expanded: list[str] = []
        inside = False
        for word in args:
            follows = inside and not word.startswith("-")
            if follows and expanded[-1] != "--synthetic":
                expanded.append("--synthetic")
            expanded.append(word)
            inside = follows or word == "--synthetic"
        return super().parse_args(context, expanded)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
def trainer() -> None:
    """
    Teach a mixture of experts physics on synthetic sequences, then adapt it with a few hundred real ones.

    The same command again continues what was cut off.
    """


def _says(model: type[Model], name: str) -> str:
    """Return what a field of a run says of itself, and its default."""
    field = model.model_fields[name]
    return f"{field.description}" + ("" if field.default is None else f"  [default: {field.default}]")


_device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="where to compute; auto is CUDA where there is a device",
)


@trainer.command(cls=_ManyValues)
@click.option("--config", metavar="FILE", help="YAML file of the run, or the name of one that ships with the package")
@click.option("--model", type=click.Choice(get_args(ModelKind)), help=_says(Network, "kind"))
@click.option(
    "--synthetic", multiple=True, metavar="PROPERTY=STORE ...", help="rendered stores, one for each expert; path or URL"
)
@click.option("--real", metavar="STORE", help=_says(Data, "real"))
@click.option("--real-sequences", type=int, help=_says(Data, "real_sequences"))
@click.option("--experts-from", metavar="RUN", help=_says(Schedule, "experts_from"))
@click.option("--scale", type=click.Choice(get_args(Scale)), help=_says(RunConfig, "scale"))
@click.option("--seed", type=int, help=_says(RunConfig, "seed"))
@click.option("--precision", type=click.Choice(get_args(Precision)), help=_says(Execution, "precision"))
@click.option("--out", metavar="FOLDER", help="folder of the run  [default: runs/<model>]")
@click.option("--phase", type=click.Choice(["decoder", "experts", "gates", "joint"]), help="train only this phase")
@click.option("--expert", metavar="PROPERTY", help="train only this expert; others may be trained elsewhere meanwhile")
@_device
@click.option("--dry-run", is_flag=True, help="print parameters, FLOPs and memory of every phase, and train nothing")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
def fit(
    *,
    out: str | None,
    phase: Any,
    expert: str | None,
    device: str,
    dry_run: bool,
    as_json: bool,
    synthetic: tuple[str, ...],
    **asked: Any,
) -> None:
    """
    Train a run and print its folder: decoder, experts, gates, then the whole network.

    What is finished is not trained again: after an interruption the same command goes on to the bit.
    """
    config = config_of(synthetic=parsed_stores(synthetic), **asked)
    if out is not None and "://" in out:
        raise InputError(f"--out {out} is a URL; give a local folder and copy it afterwards")
    if expert is not None and phase not in (None, "experts"):
        raise click.UsageError(f"--expert trains one of the experts, --phase is {phase}; give one of them")
    if dry_run:
        _print(_costs(config, phase, expert, device, as_json=as_json))
        return
    run = Path(out or Path("runs") / config.model.kind)
    from trainer.training.fit import fit as fit_run

    with progress.shown() as show:
        report = fit_run(config, run, stage=phase, expert=expert, device=device, show=show)
    if report.stopped is not None:
        if not _rank():
            _say(f"stopped by {report.stopped.name} and saved; the same command continues")
        if report.stopped == SIGINT:
            raise click.exceptions.Exit(INTERRUPTED)
    phases = {name: vars(state) for name, state in report.phases.items()}
    _print(_json({"run": str(run), "phases": phases}) if as_json else str(run))


@trainer.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True)
@click.option("--real", metavar="STORE", help="store to forecast  [default: the run's]")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="of the store",
)
@click.option("--out", metavar="FILE", help="JSON file of all scores  [default: evaluation.json in the run's folder]")
@_device
@click.option("--json", "as_json", is_flag=True, help="print the JSON instead of the table")
def evaluate(
    *, runs: tuple[str, ...], real: str | None, split: Any, out: str | None, device: str, as_json: bool
) -> None:
    """
    Forecast a split with RUN, a folder or checkpoint, and print its scores beside those of persistence.

    Of several runs the mean forecast is scored.
    """
    from trainer.evaluation.evaluate import evaluate_run, write_evaluation
    from trainer.evaluation.score_table import as_table

    if len(runs) > 1 and out is None:
        raise click.UsageError("the scores of several runs belong into no run's folder; give --out FILE")
    paths = [Path(run) for run in runs]
    evaluation = evaluate_run(*paths, store=real, split=split, device=device)
    _say(f"scores are in {write_evaluation(evaluation, paths[0], out)}")
    click.echo(_json(evaluation) if as_json else as_table(evaluation))


def _parsed_size(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """Return height and width of "64" or "48x64"."""
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)?", text):
        raise click.BadParameter(f"{text!r} is no size; give px, e.g. 64, or height x width, e.g. 48x64")
    height, _, width = text.partition("x")
    return int(height), int(width or height)


@trainer.command()
@click.argument("run")
@click.argument("source")
@click.option("--out", metavar="FILE", required=True, help=".gif, .mp4, .png, .npy or .zarr")
@click.option("--steps", type=int, help="frames to forecast, also more than trained  [default: the run's horizon]")
@click.option("--start", type=int, default=0, show_default=True, help="first sequence of a store")
@click.option("--count", type=int, default=4, show_default=True, help="sequences of a store")
@click.option(
    "--size", metavar="PX|HxW", callback=_parsed_size, help="to resize a file's frames to  [default: their own]"
)
@_device
@click.option("--overwrite", is_flag=True, help="replace what is there")
def predict(
    *,
    run: str,
    source: str,
    out: str,
    steps: int | None,
    start: int,
    count: int,
    size: tuple[int, int] | None,
    device: str,
    overwrite: bool,
) -> None:
    """Forecast what follows SOURCE, a store, video, image folder or .npy, with RUN; print what was written."""
    from trainer.evaluation.predict import predict as predict_source

    written = predict_source(
        Path(run),
        source,
        Path(out),
        steps=steps,
        start=start,
        count=count,
        size=size,
        device=device,
        overwrite=overwrite,
    )
    for path in written:
        click.echo(str(path))


@trainer.command()
@click.argument("run")
@click.option("--real", metavar="STORE", help="store to show  [default: the run's]")
@click.option("--out", metavar="FILE", help="the page  [default: report.html in the run's folder]")
@_device
def report(*, run: str, real: str | None, out: str | None, device: str) -> None:
    """Show RUN on one self-contained page: forecasts, experts, gates, errors and curves; print its path."""
    from trainer.evaluation.report import write_report

    click.echo(str(write_report(Path(run), store=real, out=None if out is None else Path(out), device=device)))


trainer.add_command(prepare)
trainer.add_command(reproduce)


def _costs(config: RunConfig, stage: Any, expert: str | None, device: str, *, as_json: bool) -> str:
    from trainer.training.costs import as_table, costs_of_run, frame_size
    from trainer.training.distributed import device_of
    from trainer.training.phases import chosen, phases_of
    from trainer.training.precision import precision_of

    phases = chosen(phases_of(config), stage, expert)
    place, costs, said = device_of(device), [], []
    for real in (False, True):
        names = {phase.name for phase in phases if bool(phase.data) is not real}
        if names:
            height, width = frame_size(config, real=real)
            said.append(f"{height}x{width} px")
            costs += [item for item in costs_of_run(config, height, width, place) if item.phase in names]
    sizes = ", real ones of ".join(dict.fromkeys(said))
    _say(f"on frames of {sizes}, in {precision_of(config.execution.precision, place)}:")
    return _json([vars(item) for item in costs]) if as_json else as_table(costs)


def _exit_code(arguments: Sequence[str] | None) -> int:
    try:
        return int(trainer.main(arguments, prog_name="trainer", standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "trainer"
        return _failed(f"{error.format_message().rstrip('.')}; see `{command} --help`", error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        command = next(iter(sys.argv[1:] if arguments is None else arguments), "")
        return _failed(
            f"interrupted; the same command {'continues' if command in CONTINUED else 'starts anew'}", INTERRUPTED
        )
    except (InputError, click.ClickException) as error:
        return _failed(str(error), 1)
    except ModuleNotFoundError as error:
        if error.name not in NEEDED_PACKAGES:
            raise
        return _failed(f"{error.name} is not installed; pip install 'stmoe-synth[trainer]'", 1)
    except (MemoryError, RuntimeError) as error:
        if not _is_want_of_memory(error):
            raise
        return _failed("not enough memory; give a smaller schedule batch or scale, or another --device", 1)
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader of stdout, e.g. head, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        what = f"{error.filename}: " if error.filename else ""
        return _failed(f"{what}{(error.strerror or str(error)).lower()}", 1)


@contextmanager
def _unwinding_on_sigterm() -> Iterator[None]:
    """Let SIGTERM, which `fit` and `reproduce` handle themselves, leave no half-written file behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal(SIGTERM, lambda _number, _frame: sys.exit(TERMINATED))
    try:
        yield
    finally:
        signal(SIGTERM, before)


def _is_want_of_memory(error: BaseException) -> bool:
    """Return whether NumPy, torch on a CPU or torch on a GPU found no memory."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in _WANT_OF_MEMORY)


_WANT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


def _failed(line: str, code: int) -> int:
    rank = _rank()
    _say(f"error: rank {rank}: {line}" if rank else f"error: {line}")
    return code


def _rank() -> int:
    """Return which of the processes that torchrun started this is; the first prints what is done."""
    return int(os.environ.get("RANK", "0"))


def _print(text: str) -> None:
    if not _rank():
        click.echo(text)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)


class _Talk(logging.Handler):
    """Print log lines on stderr as it is now: a progress bar, or a test, may have replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        _say(self.format(record))


def _log_to_stderr() -> None:
    logger = logging.getLogger("trainer")
    logger.handlers = [_Talk()]
    logger.setLevel(logging.WARNING if _rank() else logging.INFO)
