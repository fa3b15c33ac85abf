"""Refusals as RFC 9457 problems: a stable type, and a detail that may be shown to a person.

Problem                     any refusal; a domain's problems.py derives its own
├── NotFound                404 core/not-found: also what belongs to another household
├── InvalidRequest          422 core/invalid-request, with the faults by field
├── MalformedRequest        400 core/malformed-request
├── UnknownHost             400 core/unknown-host
├── MethodNotAllowed        405 core/method-not-allowed, with Allow
├── BodyTooLarge            413 core/body-too-large
├── UnsupportedMediaType    415 core/unsupported-media-type
├── InternalError           500 core/internal-error: a fault of ours
├── Conflict                409 core/conflict
├── Unauthenticated         401 core/unauthenticated
├── Forbidden               403 core/forbidden
├── TooManyRequests         429 core/too-many-requests, with Retry-After
└── Unavailable             503 core/unavailable, with Retry-After
    ├── PoolExhausted       503 core/pool-exhausted
    ├── DatabaseUnavailable 503 core/database-unavailable
    ├── DatabaseBusy        503 core/database-busy: a statement waited or ran for too long
    ├── SchemaBehind        503 core/schema-behind
    └── Overloaded          503 core/overloaded: a bounded queue is full
"""

import math
from typing import Any, ClassVar

REGISTRY: dict[str, type["Problem"]] = {}


class Problem(Exception):  # noqa: N818 - the field's word for it is problem, not error
    """A refusal that the caller may see. The class docstring says when it is given."""

    type: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    default_detail: ClassVar[str] = ""

    def __init__(
        self,
        detail: str | None = None,
        *,
        retry_after_seconds: float | None = None,
        log: str | None = None,
        **members: Any,
    ) -> None:
        """`members` are added to the answer; `log` is written to the log only."""
        self.detail = detail or self.default_detail or self.title
        self.retry_after_seconds = retry_after_seconds
        self.log = log
        self.members = members
        super().__init__(log or self.detail)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "type" in cls.__dict__ and REGISTRY.setdefault(cls.type, cls) is not cls:
            raise TypeError(f"{cls.__name__} has the type of {REGISTRY[cls.type].__name__}")

    def body(self, instance: str | None = None) -> dict[str, Any]:
        """The problem document."""
        document: dict[str, Any] = {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if instance:
            document["instance"] = instance
        return document | self.members

    def headers(self) -> dict[str, str]:
        """Headers that go with the answer; `Retry-After` is rounded up to whole seconds."""
        if self.retry_after_seconds is None:
            return {}
        return {"Retry-After": str(max(1, math.ceil(self.retry_after_seconds)))}


class NotFound(Problem):
    """The thing doesn't exist, or the caller may not know that it does."""

    type = "core/not-found"
    status = 404
    title = "Not found"
    default_detail = "We couldn't find that."


class InvalidRequest(Problem):
    """A field of the request is missing, malformed or out of range; `errors` names each."""

    type = "core/invalid-request"
    status = 422
    title = "The request isn't valid"

    @classmethod
    def field(cls, name: str, message: str) -> "InvalidRequest":
        """A refusal because of one field; `name` is its path with dots."""
        return cls(f"{name}: {message}", errors=[{"field": name, "message": message}])


class MalformedRequest(Problem):
    """The body isn't JSON, or the request can't be read at all."""

    type = "core/malformed-request"
    status = 400
    title = "The request can't be read"
    default_detail = "The request can't be read."


class UnknownHost(Problem):
    """The request is addressed to a host name that this service doesn't go by."""

    type = "core/unknown-host"
    status = 400
    title = "That host name isn't ours"


class MethodNotAllowed(Problem):
    """The path exists, but not with this method; `Allow` names those that it has."""

    type = "core/method-not-allowed"
    status = 405
    title = "That method isn't allowed here"

    def __init__(self, allowed: str | None = None) -> None:
        super().__init__()
        self._allowed = allowed

    def headers(self) -> dict[str, str]:
        allow = {"Allow": self._allowed} if self._allowed else {}
        return allow | super().headers()


class BodyTooLarge(Problem):
    """The request body is larger than the service accepts."""

    type = "core/body-too-large"
    status = 413
    title = "The request is too large"
    default_detail = "The request's body is larger than this service accepts."


class UnsupportedMediaType(Problem):
    """The request body has a content type that this call doesn't take."""

    type = "core/unsupported-media-type"
    status = 415
    title = "Unsupported content type"
    default_detail = "This call takes application/json."


class InternalError(Problem):
    """A fault of ours; the log has it under the request id, the caller sees none of it."""

    type = "core/internal-error"
    status = 500
    title = "Something went wrong on our side"
    default_detail = "Something went wrong on our side. It has been recorded."


class Conflict(Problem):
    """The request doesn't fit the present state."""

    type = "core/conflict"
    status = 409
    title = "That doesn't fit the present state"


class Unauthenticated(Problem):
    """No valid credentials came with the request."""

    type = "core/unauthenticated"
    status = 401
    title = "Please sign in"
    default_detail = "Your sign-in is missing, not valid, or has ended. Please sign in again."

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer", **super().headers()}


class Forbidden(Problem):
    """The caller is known, and may not do this."""

    type = "core/forbidden"
    status = 403
    title = "You may not do this"
    default_detail = "Your account isn't allowed to do this."


class TooManyRequests(Problem):
    """A limit on calls was reached; `Retry-After` says when to come back."""

    type = "core/too-many-requests"
    status = 429
    title = "Too many requests"
    default_detail = "That was a lot at once. Please wait a moment and try again."


class Unavailable(Problem):
    """The service can't answer now; the same request may succeed a little later."""

    type = "core/unavailable"
    status = 503
    title = "Please try again in a moment"
    default_detail = "The service can't answer right now. Please try again in a moment."

    def __init__(self, detail: str | None = None, **members: Any) -> None:
        members.setdefault("retry_after_seconds", 2)
        super().__init__(detail, **members)


class PoolExhausted(Unavailable):
    """Every database connection stayed busy for the whole time that a request may wait."""

    type = "core/pool-exhausted"
    title = "All database connections are busy"
    default_detail = "The service is very busy: all database connections are in use."


class DatabaseUnavailable(Unavailable):
    """The database can't be reached or is restarting."""

    type = "core/database-unavailable"
    title = "The database can't be reached"
    default_detail = "The service can't reach its database right now. Please try again in a moment."


class DatabaseBusy(Unavailable):
    """A statement waited too long for a lock, ran too long, or lost against others twice."""

    type = "core/database-busy"
    title = "The database is very busy"
    default_detail = "The database is very busy right now. Please try again in a moment."


class SchemaBehind(Unavailable):
    """The database's schema is older than this version of the service; it refuses to work on it."""

    type = "core/schema-behind"
    title = "The database needs a migration"
    default_detail = "The database hasn't been migrated to this version yet."


class Overloaded(Unavailable):
    """A bounded queue is full, so the work is refused instead of delayed without end."""

    type = "core/overloaded"
    title = "The service is very busy"
