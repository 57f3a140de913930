"""Reference pages leave nothing out, and show words of the code as they are."""

import json
import re
from html import unescape
from typing import Any

import click
import markdown
import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generators.commands import PROGRAMS, command_line, walk
from docs.generators.configuration import run_page, spec_page
from docs.generators.data_sets import data_sets
from docs.generators.fields import range_of, type_of
from docs.generators.http_api import http_api
from docs.generators.markdown import code, plain, table
from docs.generators.python_api import PUBLIC, prose, python_api
from docs.generators.store_format import store_format
from schemas.generate import FOLDER
from schemas.real_store import REAL_COLUMNS
from schemas.render import RenderSpec
from schemas.run import RunConfig
from schemas.store import OBJECT_COLUMNS, SEQUENCE_COLUMNS
from trainer.sources.owners import OWNERS


def shown(text: str) -> str:
    """Return what a reader of the site sees of Markdown."""
    return unescape(re.sub(r"<[^>]*>", "", markdown.markdown(text, extensions=["tables"])))


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_option_of_every_command_is_there(program: str) -> None:
    page = command_line()
    for path, command in walk(program, PROGRAMS[program]):
        part = page.partition(f"### {path}\n")[2].partition("\n### ")[0]
        options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
        assert [option.opts[0] for option in options if option.opts[0] not in part] == []


@pytest.mark.parametrize(("page", "model"), [(spec_page, RenderSpec), (run_page, RunConfig)])
def test_every_field_of_every_model_is_there(page: Any, model: Any) -> None:
    schema, text = model.model_json_schema(), page()
    for name, part in {model.__name__: schema, **schema["$defs"]}.items():
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert [field for field in part["properties"] if f"| `{field}` |" not in section] == []


def test_every_array_and_column_of_a_store_is_there() -> None:
    names = [column.name for column in (*OBJECT_COLUMNS, *SEQUENCE_COLUMNS, *REAL_COLUMNS)]
    names += ["frames", "clean", "flow", "mask", "property_mask", "valid", "valid_time"]
    assert [name for name in names if f"| `{name}` |" not in store_format()] == []


def test_every_operation_parameter_and_reply_is_there() -> None:
    text = http_api()
    for path, methods in json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))["paths"].items():
        for method, operation in methods.items():
            title = re.search(rf"^### `[A-Z, ]*\b{method.upper()}\b[A-Z, ]*{re.escape(path)}`$", text, re.MULTILINE)
            assert title, (method, path)
            part = text[title.end() :].partition("\n### ")[0]
            assert [item["name"] for item in operation.get("parameters", ()) if f"`{item['name']}`" not in part] == []
            assert [status for status in operation["responses"] if f"`{status}`" not in part] == []


def test_every_public_name_and_every_kind_of_files_is_there() -> None:
    names = [name for _, names in PUBLIC.values() for name in names]
    assert [name for name in names if f"### {name}\n" not in python_api()] == []
    assert [kind for kind in OWNERS if f"## {kind}\n" not in data_sets()] == []


@given(st.text("ab _*[]<>|&-.", max_size=20))
def test_words_of_the_code_are_shown_as_they_are(words: str) -> None:
    text = " ".join(f"x{words}x".split())
    assert shown(plain(text)).strip() == text


@given(st.text("ab [|]-", min_size=1, max_size=20))
def test_code_in_a_table_is_shown_as_it_is(words: str) -> None:
    text = " ".join(f"x{words}x".split())
    assert shown(table(("heading",), [(code(text),)])).split(maxsplit=1)[1].strip() == text


@pytest.mark.parametrize(
    ("schema", "kind", "limits"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "integer", "0 to 2^63 - 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, "number", "&gt; 0, &lt;= 0.5"),
        ({"prefixItems": [{"type": "number", "minimum": 1}] * 2}, r"\[number, number\]", "&gt;= 1"),
        ({"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]}, "string or null", "not empty"),
        ({"type": "array", "items": {"$ref": "#/$defs/Crop"}}, "list of [Crop](#crop)", ""),
        ({"enum": ["a", "b"]}, '`"a"` or `"b"`', ""),
    ],
)
def test_types_and_ranges_are_in_words(schema: dict[str, Any], kind: str, limits: str) -> None:
    assert (type_of(schema), range_of(schema)) == (kind, limits)


def test_sections_of_a_docstring_become_lists() -> None:
    text = prose("Do.\n\nParameters\n----------\na : one\n    more\nb : two\n\nReturns\n-------\nall of\nit\n")
    assert text == "Do.\n\n**Parameters**\n\n- `a`: one more\n- `b`: two\n\n**Returns**\n\nall of\nit"
