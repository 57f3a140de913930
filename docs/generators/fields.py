"""The fields of a model as tables, from its JSON Schema: type, range, default and meaning."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from docs.generators.markdown import anchor, code, plain, table

Schema = Mapping[str, Any]
Place = Callable[[str], str]
"""Name of a model to what a link to its section says."""


def here(name: str) -> str:
    """Link to a section of the same page."""
    return f"#{anchor(name)}"


def model_sections(schema: Schema, place: Place = here, level: int = 2) -> Iterator[str]:
    """Yield a section for a model, then one for each that it refers to."""
    definitions: Mapping[str, Schema] = schema.get("$defs", {})
    for name, part in {schema["title"]: schema, **definitions}.items():
        yield section(name, part, definitions, place, level)


def section(name: str, schema: Schema, definitions: Mapping[str, Schema], place: Place = here, level: int = 2) -> str:
    """Return heading, meaning and fields of one model."""
    required = schema.get("required", ())
    rows = [
        (code(field), type_of(part, place), range_of(part), _default(part, field in required, definitions), says)
        for field, part in schema.get("properties", {}).items()
        for says in [plain(part.get("description") or _said_there(part, definitions))]
    ]
    words = (f"{'#' * level} {name}", plain(_first_paragraph(schema)), table(HEADINGS, rows))
    return "\n\n".join(word for word in words if word)


HEADINGS = ("field", "type", "range", "default", "meaning")


def type_of(schema: Schema, place: Place = here) -> str:
    """Return a type in words, with links to the models in it."""
    match schema:
        case {"$ref": reference}:
            name = reference.rpartition("/")[2]
            return f"[{name}]({place(name)})"
        case {"const": value}:
            return code(json.dumps(value))
        case {"enum": values}:
            return " or ".join(code(json.dumps(value)) for value in values)
        case {"anyOf": choices} | {"oneOf": choices} | {"allOf": choices}:
            return " or ".join(dict.fromkeys(type_of(choice, place) for choice in choices))
        case {"prefixItems": items}:
            return f"\\[{', '.join(type_of(item, place) for item in items)}\\]"
        case {"type": "array", "items": items}:
            return f"list of {type_of(items, place)}"
        case {"type": "object", "additionalProperties": Mapping() as values}:
            return f"mapping of names to {type_of(values, place)}"
        case {"type": "object"}:
            return "mapping"
        case {"type": str(kind), "format": str(form)}:
            return f"{kind} ({form})"
        case {"type": str(kind)}:
            return kind
        case _:
            return "any"


def range_of(schema: Schema) -> str:
    """Return what a value must lie between, or be like."""
    for key in ("anyOf", "prefixItems"):
        parts = [range_of(part) for part in schema.get(key, ())]
        if any(parts):
            return ", ".join(dict.fromkeys(part for part in parts if part))
    if "items" in schema and range_of(schema["items"]):
        return range_of(schema["items"])
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    bounds = [
        f"{sign} {_number(value)}"
        for sign, value in (("&gt;", above), ("&gt;=", low), ("&lt;", below), ("&lt;=", high))
        if value is not None
    ]
    if low is not None and high is not None:
        bounds = [f"{_number(low)} to {_number(high)}"]
    if "pattern" in schema:
        bounds.append(code(schema["pattern"]))
    if schema.get("minLength") or schema.get("minItems", 0) == 1:
        bounds.append("not empty")
    return ", ".join(bounds)


def _number(value: float) -> str:
    whole = int(value)
    if value == whole and whole >= 2**20 and whole & (whole - 1) == 0:
        return f"2^{whole.bit_length() - 1}"
    if value == whole and whole >= 2**20 and (whole + 1) & whole == 0:
        return f"2^{whole.bit_length()} - 1"
    return f"{whole:,}" if value == whole else f"{value:g}"


def _default(schema: Schema, required: bool, definitions: Mapping[str, Schema]) -> str:
    if required:
        return "required"
    value = schema.get("default")
    name = _reference(schema)
    if isinstance(value, Mapping) and name in definitions:
        usual = {field: part.get("default") for field, part in definitions[name].get("properties", {}).items()}
        value = {field: item for field, item in value.items() if field not in usual or usual[field] != item}
        return code(json.dumps(value).replace('"', "")) if value else "all defaults"
    if "default" not in schema:
        return "all defaults" if name in definitions else ""
    return code(json.dumps(value, ensure_ascii=False))


def _reference(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _said_there(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    return _first_paragraph(definitions.get(_reference(schema), {}))


def _first_paragraph(schema: Schema) -> str:
    return str(schema.get("description", "")).partition("\n\n")[0]
