"""Turns every failure of a request into a problem document."""

from collections.abc import Iterable
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from watchkeeper.core.problems import (
    BodyTooLarge,
    InternalError,
    InvalidRequest,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    UnsupportedMediaType,
)

log = structlog.get_logger(__name__)

_LOCATIONS = {"body", "query", "path", "header", "cookie"}
# Names of fields come from the caller, who may send a great many, and long ones.
_FAULTS_NAMED = 20
_NAME_LENGTH = 100


def problem_response(problem: Problem, path: str | None = None) -> JSONResponse:
    """The answer for a refusal; `path` is what was asked for."""
    return JSONResponse(
        _storable(problem.body(path)),
        status_code=problem.status,
        headers=problem.headers(),
        media_type="application/problem+json",
    )


def add_error_handlers(app: FastAPI) -> None:
    """Answer problems, validation faults and unknown paths alike as problem documents.

    Bugs are answered by `core.middleware.Boundary`, where the request's id is still known.
    """

    async def on_problem(request: Request, problem: Exception) -> JSONResponse:
        assert isinstance(problem, Problem)
        log_refusal(problem)
        return problem_response(problem, request.url.path)

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return problem_response(_from_validation(error.errors()), request.url.path)

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return problem_response(_from_http(error), request.url.path)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(RequestValidationError, on_invalid)
    app.add_exception_handler(HTTPException, on_http)


def log_refusal(problem: Problem) -> None:
    """Log what the caller isn't told, and every refusal that is our fault or our load."""
    if problem.log or problem.status >= 500:
        log.info("request.refused", type=problem.type, reason=problem.log or problem.detail)


def _from_validation(errors: Iterable[Any]) -> Problem:
    faults: list[dict[str, str]] = []
    for fault in errors:
        if fault["type"] == "json_invalid":
            return MalformedRequest("The body isn't valid JSON.")
        faults.append({"field": _field(fault["loc"]), "message": _message(fault)})
        if len(faults) == _FAULTS_NAMED:
            break
    detail = "; ".join(f"{fault['field']}: {fault['message']}" for fault in faults[:5])
    return InvalidRequest(detail, errors=faults)


def _field(location: tuple[Any, ...]) -> str:
    parts = [str(part)[:_NAME_LENGTH] for part in location]
    return ".".join(parts[1:] if len(parts) > 1 and parts[0] in _LOCATIONS else parts)


def _message(fault: Any) -> str:
    if fault["type"] == "extra_forbidden":
        return "is not a known field"
    if fault["type"] == "missing":
        return "is missing"
    return str(fault["msg"]).removeprefix("Value error, ")


def _from_http(error: HTTPException) -> Problem:
    match error.status_code:
        case 404:
            return NotFound("There is nothing at this address.")
        case 405:
            return MethodNotAllowed((error.headers or {}).get("Allow"))
        case 413:
            return BodyTooLarge()
        case 415:
            return UnsupportedMediaType()
        case status if status >= 500:
            return InternalError(log=str(error.detail))
        case _:
            return MalformedRequest("The body can't be read.", log=str(error.detail))


def _storable(value: Any) -> Any:
    """The value without lone surrogates, which JSON can say and UTF-8 can't."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(key): _storable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_storable(one) for one in value]
    return value
