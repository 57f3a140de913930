"""What a command line offers, as click knows it: options, arguments, and which of them a command reads."""

import ast
import inspect
import textwrap
from collections.abc import Sequence
from typing import Any

import click
import pytest


def parsed(group: click.Group, command: str, arguments: Sequence[str]) -> click.Context:
    """
    Return what a command of a group makes of arguments.

    Within the group, as the program parses: click makes a command's help option once, with the first context's names.
    """
    parent = click.Context(group, **group.context_settings)
    return group.commands[command].make_context(command, list(arguments), parent=parent)


def names(group: click.Group, parameter: click.Parameter) -> list[str]:
    """Return how a parameter is written: an option's names, an argument's placeholder."""
    if not isinstance(parameter, click.Argument):
        return parameter.opts
    # Before 8.5 click puts the brackets of an argument that may be left out around those of its choices.
    return [parameter.make_metavar(click.Context(group)).replace("[[", "[").replace("]]", "]")]


def surface(group: click.Group) -> dict[str, set[str]]:
    """Return all that each command takes."""
    return {
        name: {word for parameter in command.params for word in names(group, parameter)}
        for name, command in group.commands.items()
    }


def options(group: click.Group) -> list[Any]:
    """Return every option with its command, as cases of a test."""
    return [
        pytest.param(command, option, id=f"{name}{option.opts[0]}")
        for name, command in group.commands.items()
        for option in command.params
        if isinstance(option, click.Option)
    ]


def passed_on(command: click.Command) -> tuple[set[str | None], bool]:
    """
    Return the parameters that a command does not name, and whether it takes such.

    Fails where one that it names is never read.
    """
    assert command.callback is not None
    function = ast.parse(textwrap.dedent(inspect.getsource(command.callback))).body[0]
    assert isinstance(function, ast.FunctionDef)
    named = {argument.arg for argument in function.args.kwonlyargs}
    read = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert named - read == set()
    return {parameter.name for parameter in command.params} - named, function.args.kwarg is not None
