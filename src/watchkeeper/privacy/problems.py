"""Refusals of privacy (RFC 9457).

ExportRunning   429 privacy/export-running, with Retry-After
"""

from watchkeeper.core.problems import TooManyRequests

_ASK_AGAIN_SECONDS = 10.0


class ExportRunning(TooManyRequests):
    """An export of this household is being made already; one at a time is."""

    type = "privacy/export-running"
    title = "An export is being made"
    default_detail = "An export of your household is being made already. Please wait for it."

    def __init__(self) -> None:
        super().__init__(retry_after_seconds=_ASK_AGAIN_SECONDS)
