"""The page on the HTTP API, from schemas/json/openapi.json."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from docs.generators.fields import range_of, section, type_of
from docs.generators.markdown import anchor, code, page, plain, table
from schemas.generate import FOLDER
from schemas.render import RenderSpec

LEAD = """What `datagen serve` answers, apart from its page; `schemas/json/openapi.json` says the same to programs.
[The guide](../service.md) has examples. Where the service has keys, a request carries one as `Authorization: Bearer
KEY`; every refusal is a [Problem](#problem) as `application/problem+json`."""

PROBLEM = "application/problem+json"
UNSAID = "Successful Response"
"""What FastAPI says of a reply that nobody described."""
METHODS = ("get", "head", "post", "put", "patch", "delete")


def http_api() -> str:
    """Return the page."""
    document = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
    models: Mapping[str, Any] = document["components"]["schemas"]
    own = [section(name, models[name], models, _place, level=3) for name in sorted(models) if _place(name)[0] == "#"]
    return page("HTTP API", LEAD, (*_operations(document), _all_refusals(document), "## Bodies", *own))


def _place(name: str) -> str:
    """Return where a model is described: those of a spec have a page of their own."""
    return f"spec.md#{anchor(name)}" if name in _SPEC else f"#{anchor(name)}"


def _spec_models() -> frozenset[str]:
    return frozenset({"RenderSpec", *RenderSpec.model_json_schema()["$defs"]})


_SPEC = _spec_models()


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        alike: dict[str, list[str]] = {}
        for method in METHODS:
            if method in methods:
                alike.setdefault(_operation(methods[method]), []).append(method.upper())
        for text, names in alike.items():
            tag = methods[names[0].lower()]["tags"][0]
            by_tag.setdefault(tag, []).append(f"### `{', '.join(names)} {path}`\n\n{text}")
    for tag, operations in by_tag.items():
        yield "\n\n".join((f"## {tag[0].upper()}{tag[1:]}", *operations))


def _operation(operation: Mapping[str, Any]) -> str:
    words = (plain(operation.get("description", "")), _parameters(operation), _body(operation))
    return "\n\n".join(word for word in (*words, _replies(operation), _refusals(operation)) if word)


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = (
        (
            code(parameter["name"]),
            parameter["in"],
            type_of(parameter["schema"], _place),
            range_of(parameter["schema"]),
            "required" if parameter.get("required") else code(json.dumps(parameter["schema"].get("default"))),
            plain(parameter.get("description") or parameter["schema"].get("description", "")),
        )
        for parameter in operation.get("parameters", ())
    )
    return table(("parameter", "in", "type", "range", "default", "meaning"), rows)


def _body(operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    bodies = [f"{type_of(part.get('schema', {}), _place)} as `{kind}`" for kind, part in content.items()]
    return f"Body: {' or '.join(bodies)}." if bodies else ""


def _replies(operation: Mapping[str, Any]) -> str:
    rows = (
        (code(status), plain(reply["description"].replace(UNSAID, "done")), _content(reply))
        for status, reply in operation["responses"].items()
        if not _refuses(reply)
    )
    return table(("reply", "meaning", "content"), rows)


def _refusals(operation: Mapping[str, Any]) -> str:
    numbers = [code(status) for status, reply in operation["responses"].items() if _refuses(reply)]
    return f"[Refused](#refusals) with {', '.join(numbers)}." if numbers else ""


def _all_refusals(document: Mapping[str, Any]) -> str:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    meanings: dict[str, set[str]] = {}
    for operation in operations:
        for status, reply in operation["responses"].items():
            if _refuses(reply):
                meanings.setdefault(status, set()).add(reply["description"])
    rows = ((code(status), plain("; ".join(sorted(meanings[status])))) for status in sorted(meanings))
    return f"## Refusals\n\n{table(('status', 'meaning'), rows)}"


def _refuses(reply: Mapping[str, Any]) -> bool:
    return PROBLEM in reply.get("content", {})


def _content(reply: Mapping[str, Any]) -> str:
    return ", ".join(_kind(kind, part) for kind, part in reply.get("content", {}).items())


def _kind(kind: str, part: Mapping[str, Any]) -> str:
    what = type_of(part.get("schema", {}), _place)
    return code(kind) if what in {"any", "string"} else f"{code(kind)}, {what}"
