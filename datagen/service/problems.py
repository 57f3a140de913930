"""What goes wrong as application/problem+json (RFC 9457): one line, the field at fault, never a traceback."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, get_type_hints

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from schemas.errors import IncompleteStoreError, InputError, SpecMismatchError
from schemas.messages import shown
from schemas.model import Model
from schemas.service import Problem

MEDIA_TYPE = "application/problem+json"
BODY = "body"
"""Parameter of an endpoint that is the request's body."""

GONE: Final = 499
"""Status, as nginx has it, of a request whose client went away."""

Responses = dict[int | str, dict[str, Any]]
"""What a route says of its replies."""

_WORDS: Final = {
    401: "no valid key is given",
    403: "the key may not do this",
    404: "there is no such thing",
    406: "none of the types that are accepted can be sent",
    408: "the body took too long",
    409: "what lies there is another one, or not complete",
    413: "the body, or the reply that is asked for, is too large",
    415: "the body is no JSON, or compressed",
    416: "the range lies behind the end",
    421: "the host name is not answered",
    422: "a field is unknown or out of range",
    429: "too much is asked for at once, or a quota is used up",
}

_NO_JSON = "the body is no JSON; give an object"

_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """
    A request that is refused.

    Parameters
    ----------
    status : HTTP's
    detail : what is wrong, the value, and what would be right
    field : path of the field at fault
    headers : of the reply
    """

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, dict(headers or {})


class GoneError(Exception):
    """The client has gone, and nobody waits for the work."""


def problem(
    status: int,
    detail: str,
    *,
    field: str | None = None,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a reply that says what is wrong."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, field=field, request_id=request_id)
    text = body.model_dump_json(exclude_none=True)
    return Response(text, status, dict(headers or {}) | {"Cache-Control": "no-store"}, MEDIA_TYPE)


def problems(*statuses: int) -> Responses:
    """Return what a route says of these statuses in OpenAPI."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": _WORDS[status], "content": content} for status in statuses}


def add_handlers(app: FastAPI) -> None:
    """Let an application answer with problems."""

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return problem(error.status, error.detail, field=error.field, request_id=_id(request), headers=error.headers)

    @app.exception_handler(InputError)
    async def wrong_input(request: Request, error: InputError) -> Response:
        status = 409 if isinstance(error, SpecMismatchError | IncompleteStoreError) else 422
        return problem(status, str(error), field=_field(str(error)), request_id=_id(request))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        detail, field = _first_mistake(request, error)
        return problem(422, detail, field=field, request_id=_id(request))

    @app.exception_handler(HTTPException)
    async def known(request: Request, error: HTTPException) -> Response:
        if isinstance(error.__cause__, RefusedError):  # FastAPI wraps what goes wrong while a body is read
            return await refused(request, error.__cause__)
        if error.status_code == HTTPStatus.BAD_REQUEST:  # what FastAPI says of a body that is no text
            return problem(422, _NO_JSON, request_id=_id(request))
        detail = f"{request.method} {shown(request.url.path)} is answered by nothing here; see /docs"
        return problem(error.status_code, detail, request_id=_id(request), headers=error.headers)

    @app.exception_handler(GoneError)
    async def gone(_request: Request, _error: GoneError) -> Response:
        return Response(status_code=GONE)  # for the log alone

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        _log.error("request %s failed", _id(request), exc_info=error)
        return problem(500, "the service failed; its log says why under request_id", request_id=_id(request))


def _id(request: Request) -> str | None:
    found = request.scope.get("state", {}).get("request_id")
    return None if found is None else str(found)


def _first_mistake(request: Request, error: RequestValidationError) -> tuple[str, str | None]:
    """Return what is wrong with a request, and where: of a body as `Model.parse` says it."""
    first: dict[str, Any] = error.errors()[0]
    where = [str(step) for step in first["loc"]]
    if where[:1] == [BODY]:
        if first["type"] == "json_invalid":
            return _NO_JSON, None
        model = get_type_hints(request.scope["endpoint"]).get(BODY)
        if isinstance(model, type) and issubclass(model, Model):
            try:
                model.parse(error.body, "")
            except InputError as mistake:
                return str(mistake), _field(str(mistake))
    field = ".".join(where[1:])
    return f"{field} is {shown(first.get('input'))}; {first['msg'].lower()}", field or None


def _field(message: str) -> str | None:
    """Return the path with which a message of a model begins, e.g. noise.ratio; None where it begins otherwise."""
    word = message.partition(" ")[0]
    return word if word and word.replace("_", "").replace(".", "").replace("[", "").replace("]", "").isalnum() else None
