"""The page on the command lines, from the click commands of both programs."""

import inspect
from collections.abc import Iterator

import click

from datagen.cli import datagen
from docs.generators.markdown import code, page, plain, table
from trainer.cli import trainer

PROGRAMS: dict[str, click.Group] = {"datagen": datagen, "trainer": trainer}

LEAD = """Both programs print what they made on stdout, all else on stderr. They exit with 0 if it is done, 1 if the
input or the world is at fault (the last line says what would be right), 2 if the command is none, 130 after Ctrl-C."""


def command_line() -> str:
    """Return the page."""
    return page("Command line", LEAD, (part for name, group in PROGRAMS.items() for part in _program(name, group)))


def walk(name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """Yield every command of a program, and of its groups, by the words that call it."""
    for word, command in group.commands.items():
        path = f"{name} {word}"
        if isinstance(command, click.Group):
            yield from walk(path, command)
        else:
            yield path, command


def context_of(path: str, command: click.Command) -> click.Context:
    """
    Return a context of a command of a program as the program makes it: within the group.

    click makes a command's help option once, with the names that its first context knows.
    """
    group = PROGRAMS[path.partition(" ")[0]]
    parent = click.Context(group, **group.context_settings)
    width = 10_000  # for a table's cells, which have no lines
    return click.Context(command, parent=parent, info_name=path, max_content_width=width, terminal_width=width)


def _program(name: str, group: click.Group) -> Iterator[str]:
    yield f"## {name}\n\n{_help(group)}"
    for path, command in walk(name, group):
        yield f"### {path}\n\n{_help(command)}\n\n```text\n{_usage(path, command)}\n```\n\n{_options(path, command)}"


def _help(command: click.Command) -> str:
    return plain(inspect.cleandoc(command.help or "").replace("\b\n", ""))


def _usage(path: str, command: click.Command) -> str:
    return f"{path} {' '.join(command.collect_usage_pieces(context_of(path, command)))}"


def _options(path: str, command: click.Command) -> str:
    context = context_of(path, command)
    rows = []
    for option in command.get_params(context):
        record = option.get_help_record(context) if isinstance(option, click.Option) else None
        if record is not None:
            rows.append((code(record[0]), plain(record[1])))
    return table(("option", "meaning"), rows)
