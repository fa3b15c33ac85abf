"""Wire shapes of the stream of events (viewing time, section 6)."""

from typing import Any
from uuid import UUID

from watchkeeper.core.schemas import Answer, Instant
from watchkeeper.viewing.schemas import BalanceResponse

EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "One event of the stream; comments between events say that it lives.",
    "required": ["event", "data"],
    "properties": {
        "event": {
            "type": "string",
            "enum": [
                "snapshot",
                "balance_changed",
                "policy_changed",
                "session_superseded",
                "request_asked",
                "request_answered",
            ],
        },
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
"""For the API's description: how one event looks."""


class SnapshotEvent(Answer):
    """`snapshot`: where every profile that the caller reaches stands; replaces what was known."""

    server_time: Instant
    profiles: list[BalanceResponse]


class BalanceEvent(Answer):
    """`balance_changed` and `policy_changed`: a profile's balance after the change."""

    server_time: Instant
    profile_id: UUID
    balance: BalanceResponse


class SupersededEvent(Answer):
    """`session_superseded`: another device took over; to guardians and the device that lost."""

    profile_id: UUID
    session_id: UUID
    device_name: str | None


class RequestEvent(Answer):
    """`request_asked` and `request_answered`: ask for the request to see what it says."""

    profile_id: UUID
    request_id: UUID
