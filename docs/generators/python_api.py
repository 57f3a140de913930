"""The page on what Python programs may import, from signatures and docstrings."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from typing import Any, cast

from docs.generators.markdown import page, plain

PUBLIC: dict[str, tuple[str, tuple[str, ...]]] = {
    "datagen": (
        "Names are imported when they are used. `RenderSpec` is described under [fields of a spec](spec.md).",
        ("render_sequence", "render_sequences", "render_store", "open_store", "lazy_sequences"),
    ),
    "datagen.client": ("Needs the extra `service`.", ("Client", "ServiceError")),
    "trainer.training.fit": (
        "Needs the extra `trainer`. `schemas.run.RunConfig.parse` takes [what a YAML file holds](run-config.md).",
        ("fit",),
    ),
    "trainer.evaluation.evaluate": ("", ("evaluate_run",)),
    "trainer.evaluation.predict": ("", ("predict",)),
    "trainer.evaluation.report": ("", ("write_report",)),
}
"""What is introduced how, and which of its names are public, by module."""

MAX_WIDTH = 110
"""Characters of a line of code."""

LEAD = """The functions behind the commands. What a user can get wrong raises `schemas.errors.InputError`: one line
with the value and what would be right."""


def python_api() -> str:
    """Return the page."""
    return page("Python", LEAD, (part for module in PUBLIC for part in _module(module)))


def _module(name: str) -> Iterator[str]:
    introduction, names = PUBLIC[name]
    yield "\n\n".join(part for part in (f"## {name}", introduction) if part)
    for public in names:
        thing = getattr(import_module(name), public)
        yield _described(public, thing, level=3)
        if inspect.isclass(thing) and not issubclass(thing, Exception):
            for method, function in vars(thing).items():
                if not method.startswith("_") and inspect.isfunction(function):
                    yield _described(f"{public}.{method}", function, level=4)


def _described(name: str, thing: Any, level: int) -> str:
    call = _signature(name, thing)
    shown = f"```python\n{call}\n```\n\n" if call else ""
    return f"{'#' * level} {name}\n\n{shown}{prose(inspect.getdoc(thing) or '')}"


def _signature(name: str, thing: Any) -> str:
    """Return a call as its source writes it; "" for a class that adds nothing to its parent's."""
    function = vars(thing).get("__init__") if inspect.isclass(thing) else thing
    if not inspect.isfunction(function):
        return ""
    node = cast("ast.FunctionDef", ast.parse(textwrap.dedent(inspect.getsource(function))).body[0])
    node.args.args = [argument for argument in node.args.args if argument.arg != "self"]
    arguments = _spaced(ast.unparse(node.args))
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and function is thing else ""
    call = f"{name}({arguments}){returns}"
    return call if len(call) <= MAX_WIDTH else f"{name}(\n    " + _by_line(node.args) + f",\n){returns}"


def _by_line(arguments: ast.arguments) -> str:
    """Return parameters, each on a line."""
    return re.sub(r", (?=\*|\w+:)", ",\n    ", _spaced(ast.unparse(arguments)))


def _spaced(text: str) -> str:
    """Put spaces around the = of a default, which `ast.unparse` leaves out."""
    return re.sub(r"(?<=[\w\]'])=(?=[\w'\"(])", " = ", text)


def prose(docstring: str) -> str:
    """Return a docstring in NumPy's convention as Markdown: its sections become lists."""
    lead, *parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", docstring, flags=re.MULTILINE)
    said = [plain(lead.strip())]
    for title, body in zip(parts[::2], parts[1::2], strict=True):
        said.append(f"**{title}**\n\n{plain(body.strip()) if title == 'Returns' else _items(body)}")
    return "\n\n".join(said)


def _items(body: str) -> str:
    """Return a list of `name : meaning`, or of names whose meaning is indented below them."""
    items: list[tuple[str, list[str]]] = []
    for line in body.strip().splitlines():
        if line[:1].isspace():
            items[-1][1].append(line.strip())
        elif line.strip():
            name, _, meaning = line.partition(" : ")
            items.append((name.strip(), [meaning]))
    return "\n".join(f"- `{name}`: {plain(' '.join(meaning).strip())}" for name, meaning in items)
