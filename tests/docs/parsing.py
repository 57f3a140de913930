"""Command lines in the documents, given to the parsers of the programs without being run."""

import io
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout

import click

from docs.generators.commands import PROGRAMS, context_of, walk
from tests.docs.blocks import Block
from tests.surface import parsed

OPERATORS = frozenset(";&|<>()")
BEFORE = frozenset({"do", "then", "else", "time", "exec"})
ELLIPSIS = "…"
PLACEHOLDERS = {"N": "1", "KIND": "kth", "HxW": "8x8", "TABLE": "table1", "PX": "8"}
"""What stands for a value that a parser would refuse, and one that it takes."""


def options() -> frozenset[str]:
    """Return every option of both programs."""
    return frozenset(
        name
        for program, group in PROGRAMS.items()
        for path, command in ((program, group), *walk(program, group))
        for parameter in command.get_params(context_of(path, command))
        for name in (*parameter.opts, *parameter.secondary_opts)
    )


def lines_of(block: Block) -> Iterator[str]:
    """Yield the command lines of a block; those of a loop with the first value of its variable."""
    text = block.text.replace("\\\n", " ")
    if block.language == "console":
        text = "\n".join(line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ "))
    for name, value in re.findall(r"\bfor (\w+) in (\w+)", text):
        text = re.sub(rf"\$\{{?{name}\}}?", value, text)
    yield from (line for line in text.splitlines() if line.strip())


def calls(line: str) -> Iterator[tuple[str, list[str]]]:
    """Yield program and arguments of every call of one of the programs in a line, also within another's arguments."""
    for words in _simple_commands(line):
        for at, word in enumerate(words):
            program = word.rpartition("/")[2]
            follows = words[at + 1] if at + 1 < len(words) else ""
            if program in PROGRAMS and (at == 0 or follows in PROGRAMS[program].commands):
                yield program, words[at + 1 :]
                break


def mistake(program: str, arguments: Sequence[str], *, complete: bool = True) -> str | None:
    """
    Return what the parser says against arguments, None if nothing.

    Parameters
    ----------
    complete : whether a missing argument or value is a mistake; words in prose leave some out
    """
    words = [PLACEHOLDERS.get(word, word) for word in arguments if word != ELLIPSIS]
    group = PROGRAMS[program]
    if not words:
        return None
    of_a_command = not words[0].startswith("-")
    if of_a_command and words[0] not in group.commands:
        return f"{program} has no command {words[0]}"
    try:
        with redirect_stdout(io.StringIO()):
            if of_a_command:
                parsed(group, words[0], words[1:])
            else:
                group.make_context(program, words)
    except click.exceptions.Exit:  # --help and --version have said what they say
        return None
    except (click.MissingParameter, click.BadOptionUsage) as error:  # no argument, or an option without its value
        return error.format_message() if complete else None
    except click.UsageError as error:
        return error.format_message()
    return None


def _simple_commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line, without variables before it and redirections behind."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="".join(OPERATORS))
    lexer.whitespace_split = True
    words: list[str] = []
    for word in (*lexer, ";"):
        if word and set(word) <= OPERATORS:
            if words:
                yield words
            words = []
        elif words or not (word in BEFORE or re.fullmatch(r"\w+=\S*", word)):
            words.append(word)
