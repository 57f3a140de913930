"""One-line messages for values that a model refuses: the field, the value, and what would be right."""

import difflib
from typing import Any

from pydantic import ValidationError


def first_mistake(error: ValidationError, schema: dict[str, Any]) -> str:
    """
    Describe the first mistake of a validation.

    Parameters
    ----------
    error : what pydantic raised
    schema : the JSON Schema of the model that raised it; ranges and known fields are read from it

    Returns
    -------
    one line, e.g. "noise.ratio is -0.2; give a number from 0 to 100, e.g. 0, 0.26 or 0.7"
    """
    details = error.errors(include_url=False)[0]
    path, node = _walk(details["loc"], schema)
    match details["type"]:
        case "extra_forbidden":
            return _unknown_field(path, str(details["loc"][-1]), node)
        case "missing":
            return f"{path} is missing; give {_expected(node)}"
        case "value_error" if not path:
            return str(details["ctx"]["error"])
        case "value_error":
            return f"{path} is {shown(details['input'])}; {details['ctx']['error']}"
        case "union_tag_invalid" | "union_tag_not_found":
            return _wrong_kind(path, details["input"], node)
        case "invalid_key":
            return f"{shown(details['input'])} is no known field; give names as text"
        case _:
            return f"{path} is {shown(details['input'])}; give {_expected(node) or details['msg']}"


def shown(value: object) -> str:
    """Return a value as a user would write it, on one line and cut at 60 characters."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split()) or "empty"
    text = text if text.isprintable() else repr(text)
    return text if len(text) <= 60 else text[:57] + "..."


_NOUNS = {"array": "a list", "object": "a mapping", "boolean": "true or false", "string": "a text"}


def _walk(loc: tuple[int | str, ...], schema: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Follow a pydantic location through a JSON Schema; return the dotted path and the schema of the last step."""
    definitions = schema.get("$defs", {})
    node, path = schema, ""
    for step in loc:
        node = _resolved(node, definitions)
        tags = node.get("discriminator", {}).get("mapping", {})
        if step in tags:
            node = {"$ref": tags[step]}
        elif isinstance(step, int):
            path += f"[{step}]"
            items = node.get("prefixItems", [])
            node = items[step] if step < len(items) else node.get("items", {})
        else:
            path += f".{shown(step)}" if path else shown(step)
            of_any_name = node.get("additionalProperties") or node
            node = node.get("properties", {}).get(step, of_any_name)
    return path, _resolved(node, definitions)


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Follow references, take the one branch beside null and short forms; examples given on the way win."""
    while True:
        if "$ref" in node:
            target = definitions[node["$ref"].rpartition("/")[2]]
        else:
            branches = [branch for branch in node.get("anyOf", []) if branch.get("type") != "null"]
            branches = [branch for branch in branches if branch.keys() & {"discriminator", "$ref"}] or branches
            if len(branches) != 1:
                return node
            target = branches[0]
        node = target | ({"examples": node["examples"]} if "examples" in node else {})


def _wrong_kind(path: str, value: object, node: dict[str, Any]) -> str:
    """Say what is wrong with the tag of a tagged union, e.g. "property.kind is spin; give one of ..."."""
    tag = node["discriminator"]["propertyName"]
    if not isinstance(value, dict):
        return f"{path} is {shown(value)}; give {_expected(node)}"
    if tag not in value:
        return f"{path}.{tag} is missing; give {_expected(node)}"
    return f"{path}.{tag} is {shown(value[tag])}; give {_expected(node)}"


def _unknown_field(path: str, field: str, node: dict[str, Any]) -> str:
    known = list(node.get("properties", {}))
    near = difflib.get_close_matches(field, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known fields: {', '.join(known)}"
    return f"{path} is no known field; {hint}"


def _expected(node: dict[str, Any]) -> str:
    """Say what a JSON Schema node accepts: a range, a choice, or a shape; then its examples."""
    examples = node.get("examples", [])
    eg = f", e.g. {' or '.join(str(example) for example in examples)}" if examples else ""
    match node:
        case {"discriminator": {"mapping": tags}}:
            return "one of " + ", ".join(tags)
        case {"enum": choices}:
            return "one of " + ", ".join(str(choice) for choice in choices)
        case {"const": choice}:
            return str(choice)
        case {"type": "array", "prefixItems": items}:
            return f"{len(items)} values: [low, high], each {_expected(items[0])}{eg}"
        case {"type": "integer" | "number" as kind}:
            noun = "a whole number" if kind == "integer" else "a number"
            return f"{noun} {_bounds(node)}".rstrip() + eg
        case {"type": "array", "items": item}:
            least = node.get("minItems", 0)
            return f"a list{f' of {least} or more' if least else ''}, each {_expected(item)}{eg}"
        case {"type": "object", "properties": fields}:
            return f"a mapping with the fields {', '.join(fields)}{eg}"
        case {"type": "string", "pattern": pattern}:
            return f"a text that matches {pattern}{eg}"
        case {"type": str(kind)}:
            return _NOUNS.get(kind, kind) + eg
        case _:
            return ""


def _bounds(node: dict[str, Any]) -> str:
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f"from {low:g} to {high:g}" if isinstance(high, float) else f"from {low} to {high}"
    lower = f"of {low} or more" if low is not None else f"above {above}" if above is not None else ""
    upper = f"up to {high}" if high is not None else f"below {below}" if below is not None else ""
    return " and ".join(part for part in (lower, upper) if part)
