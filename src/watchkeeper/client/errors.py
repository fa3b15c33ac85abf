"""What can go wrong with a call to the service.

ClientError
├── NoAnswer            the service can't be reached, or didn't answer in time
├── UnexpectedAnswer    an answer that this client can't read
└── ProblemError        a refusal (RFC 9457), with its type, status and words for a person
"""

from collections.abc import Mapping
from datetime import timedelta


class ClientError(Exception):
    """Any failed call; the text may be shown to a person."""


class NoAnswer(ClientError):  # noqa: N818 - reads better where it is caught
    """There was no answer after `attempts` attempts."""

    def __init__(self, message: str, *, attempts: int) -> None:
        self.attempts = attempts
        super().__init__(message)


class UnexpectedAnswer(ClientError):  # noqa: N818 - reads better where it is caught
    """The answer isn't what the contract says, so no decision may be taken from it."""


class ProblemError(ClientError):
    """The service refused.

    `type` is stable and meant for programs, `detail` for people. `members` holds what else the
    problem carries, such as `remaining_attempts` or `device_name`.
    """

    def __init__(
        self,
        *,
        type: str,  # noqa: A002 - the name that RFC 9457 gives it
        status: int,
        title: str,
        detail: str,
        members: Mapping[str, object],
        retry_after: timedelta | None = None,
        attempts: int = 1,
    ) -> None:
        self.type = type
        self.status = status
        self.title = title
        self.detail = detail
        self.members = members
        self.retry_after = retry_after
        self.attempts = attempts
        super().__init__(detail)

    def has_type(self, name: str) -> bool:
        """Whether the type is `name`, given bare or as the end of an address."""
        return self.type == name or self.type.endswith(f"/{name}")
