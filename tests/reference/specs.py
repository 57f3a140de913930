"""Specs for tests, from plain values as a user gives them."""

from typing import Any

from schemas.render import RenderSpec


def spec_of(changes: Any, **fields: Any) -> RenderSpec:
    """Return the spec of a property, given by name or as a mapping, with any other fields."""
    return RenderSpec.model_validate({"property": changes, **fields})


def clean_spec(changes: Any, **fields: Any) -> RenderSpec:
    """Return a spec without noise whose frames are float32: the clean sequence as the kernels compute it."""
    return spec_of(changes, dtype="float32", noise={"ratio": 0}, **fields)
