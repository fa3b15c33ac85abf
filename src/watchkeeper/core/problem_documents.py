"""Refusals in the API's description: which statuses a call may answer with, and what they hold.

A status that a call answers with and that its description doesn't name fails the tests, which
send whatever the description allows (07, Security).
"""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field

_NAME = "Problem"

OF_EVERY_CALL = (400, 413, 415, 422, 503)
"""What a call may meet before its own code runs: see `core.request_checks` and `core.health`."""


class Fault(BaseModel):
    """One field that isn't as it should be."""

    field: str = Field(description="Path of the field, with dots.")
    message: str


class ProblemDocument(BaseModel):
    """A refusal (RFC 9457). Some problems have further members, named with their type."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable, for programs.", examples=["core/not-found"])
    title: str
    status: int
    detail: str = Field(description="May be shown to a person.")
    instance: str | None = Field(None, description="The path that was asked for.")
    errors: list[Fault] | None = Field(None, description="With 422: the faults by field.")


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a router or route that may refuse with these statuses."""
    content = {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{_NAME}"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted(statuses)
    }


def describe_problems(app: FastAPI) -> None:
    """Put the schema of problem documents into the app's description of itself."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        if _NAME not in schemas:
            schema = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs"))
            schemas[_NAME] = schema
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's way to extend it
