"""The options that commands share; those that repeat a field of the spec take their text and default from it."""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import click
from pydantic.fields import FieldInfo

from datagen.overrides import NOISES, TRUTH_ARRAYS, Overrides, parsed_mix, parsed_truth
from datagen.presets import PRESETS
from datagen.request import Request
from schemas.errors import InputError
from schemas.render import Dtype, Noise, PropertyKind, RenderSpec

Command = TypeVar("Command", bound=Callable[..., Any])


def with_default(text: str, default: object) -> str:
    """Return a help text that shows a default as click shows its own."""
    return f"{text}  [default: {default}]"


def spec_options(command: Command) -> Command:
    """Add the options that choose a spec and decide its frames: a source, and fields to override."""
    for option in reversed(_SPEC_OPTIONS):
        command = option(command)
    return command


def stored_options(command: Command) -> Command:
    """Add the options that decide what is stored of a sequence."""
    for option in reversed(_STORED_OPTIONS):
        command = option(command)
    return command


def range_options(count: str) -> Callable[[Command], Command]:
    """Return a decorator that adds --start and --count; the text says how many sequences are taken by default."""
    start_option = click.option(
        "--start", type=click.IntRange(min=0), default=0, help=with_default("first sequence", 0)
    )
    count_option = click.option("--count", type=click.IntRange(min=1), help=with_default("sequences", count))
    return lambda command: start_option(count_option(command))


json_option = click.option("--json", "as_json", is_flag=True, help="print one JSON object")


def _print_version(context: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked:
        from datagen.storage.target import package_version

        click.echo(f"datagen {package_version()}")
        context.exit()


version_option = click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="print the version"
)


def request_of(*, spec: str | None, preset: Any, sprites: str | None, size: int | None, **overrides: Any) -> Request:
    """
    Return what the options ask for.

    Raises
    ------
    click.UsageError
        the options contradict each other or name no source.
    """
    property_, height, width = (overrides[name] for name in ("property", "height", "width"))
    if size is not None and (height is not None or width is not None):
        raise click.UsageError("--size is height and width at once; give --size, or --height and --width")
    if preset is not None and (spec is not None or property_ is not None):
        raise click.UsageError("--preset is a whole spec; give it without --spec and --property")
    if preset is None and spec is None and property_ is None:
        raise click.UsageError(f"nothing to render; give --property {_one_of(PropertyKind)}, --preset, or --spec FILE")
    return Request(overrides=Overrides(size=size, **overrides), spec=spec, preset=preset, sprites=sprites)


def _one_of(literal: Any) -> str:
    return "|".join(get_args(literal))


def _parsed_by(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """Return a callback that parses an option's text; a mistake is a usage error."""

    def parsed(context: click.Context, option: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else parse(text)
        except InputError as error:
            raise click.BadParameter(str(error), context, option) from None

    return parsed


def _repeat(flag: str, field: FieldInfo, type_: Any, default: object = None) -> Callable[[Command], Command]:
    """Return an option that repeats a field."""
    shown = field.default if default is None else default
    return click.option(flag, type=type_, help=with_default(str(field.description), shown))


_SPEC, _NOISE = RenderSpec.model_fields, Noise.model_fields
_MIX = ",".join(f"{name}={_NOISE[name].default:g}" for name in NOISES)

_SPEC_OPTIONS = (
    click.option("--property", type=click.Choice(get_args(PropertyKind)), help=_SPEC["property"].description),
    click.option("--preset", type=click.Choice(PRESETS), help="a whole spec by name, instead of a property"),
    click.option(
        "--spec",
        metavar="FILE|STORE",
        help="take the fields from a YAML or JSON file, or from a store; the options here override them",
    ),
    _repeat("--frames", _SPEC["frames"], int),
    click.option("--size", type=int, help=with_default("height and width at once, px", _SPEC["height"].default)),
    click.option("--height", type=int, help=with_default("height alone, px", _SPEC["height"].default)),
    click.option("--width", type=int, help=with_default("width alone, px", _SPEC["width"].default)),
    _repeat("--noise-ratio", _NOISE["ratio"], float),
    click.option(
        "--noise-mix",
        metavar="NAME=WEIGHT,...",
        callback=_parsed_by(parsed_mix),
        help=with_default(f"relative weights of {', '.join(NOISES)} noise; those not named become 0", _MIX),
    ),
    _repeat("--seed", _SPEC["seed"], int),
    click.option(
        "--sprites",
        metavar="FOLDER|IDX-FILE",
        help="objects are these images: an image folder, or MNIST's file format, gzipped or not"
        "  [default: none; with --preset the 1,797 digits of scikit-learn]",
    ),
)
_STORED_OPTIONS = (
    click.option(
        "--truth",
        metavar="NAME,...|all|none",
        callback=_parsed_by(parsed_truth),
        help=with_default(f"{_SPEC['truth'].description}: {', '.join(TRUTH_ARRAYS)}", "none"),
    ),
    _repeat("--dtype", _SPEC["dtype"], click.Choice(get_args(Dtype))),
)
