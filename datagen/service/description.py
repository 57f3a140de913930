"""What the service says of itself as OpenAPI, beyond what FastAPI reads off the routes."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from datagen.service.problems import problems
from schemas.service import Problem

MAY_HAPPEN: Final = (401, 403, 421, 429)
"""What the door answers, whatever is asked for."""
WITH_A_BODY: Final = (408, 413, 415, 422)
NO_KEY: Final = frozenset({"/healthz", "/readyz"})
_FASTAPI_OWN = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """Return the name of an operation: its function's, e.g. post_spec; head_… where only the method is another."""
    return route.name.replace("get_", "head_", 1) if route.methods == {"HEAD"} else route.name


def describe(app: FastAPI) -> None:
    """Complete what /openapi.json says: problems that every operation may answer, and keys."""
    plain = app.openapi

    def complete() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(plain())
        return app.openapi_schema

    app.openapi = complete  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    components = document["components"]
    components["schemas"]["Problem"] = Problem.model_json_schema()
    for name in _FASTAPI_OWN:
        components["schemas"].pop(name, None)
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "a key of the operator, where the service has any"}
    }
    for path, operation in _operations(document):
        statuses = MAY_HAPPEN + (WITH_A_BODY if "requestBody" in operation else ())
        found = operation["responses"]
        for status, said in problems(*((421,) if path in NO_KEY else statuses)).items():
            found.setdefault(str(status), said)
        operation["responses"] = {status: found[status] for status in sorted(found)}
        operation["security"] = [] if path in NO_KEY else [{}, {"key": []}]
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            yield path, operation
