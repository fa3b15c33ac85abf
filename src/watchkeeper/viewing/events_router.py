"""The stream of events: what changes for a profile, told to its players and its guardians."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.sse import format_sse_event

from watchkeeper.accounts.dependencies import SignedPrincipal, TokenExpiry
from watchkeeper.core.event_stream import EventStream
from watchkeeper.core.problem_documents import problem_responses
from watchkeeper.core.schemas import Answer
from watchkeeper.viewing.announcements import Announcement, Kind
from watchkeeper.viewing.event_schemas import (
    EVENT_SCHEMA,
    BalanceEvent,
    RequestEvent,
    SnapshotEvent,
    SupersededEvent,
)
from watchkeeper.viewing.router import balance_response
from watchkeeper.viewing.service.events import Events
from watchkeeper.viewing.streams import Change, Event, Snapshot

router = APIRouter(
    prefix="/viewing-time", tags=["viewing time"], responses=problem_responses(401, 403, 429)
)


async def get_events(request: Request) -> Events:
    """The streams of this process."""
    events: Events = request.app.state.events
    return events


@router.get(
    "/events",
    response_class=EventStream,
    response_model=None,
    status_code=200,
    summary="Be told of changes at once, over a stream of server-sent events",
    response_description="`snapshot` first, then what changes; the data of each event is JSON.",
    responses={200: {"content": {"text/event-stream": {"schema": EVENT_SCHEMA}}}},
)
async def open_events(
    caller: SignedPrincipal,
    expires_at: TokenExpiry,
    events: Annotated[Events, Depends(get_events)],
) -> EventStream[Event]:
    """A snapshot first, and another one whenever something may have been missed.

    A device hears of its own profile, a guardian of the household. The stream ends when the token
    lapses, the sign-in or pairing ends, or the service stops: connect again after a random pause.
    """
    stream = await events.open(caller, expires_at)
    return EventStream(
        stream,
        encode,
        keep_alive_seconds=events.keep_alive_seconds,
        on_end=lambda: events.discard(stream),
    )


def encode(event: Event) -> bytes:
    """One event as it goes over the wire."""
    kind, data = _on_the_wire(event)
    return format_sse_event(event=kind, data_str=data.model_dump_json())


def _on_the_wire(event: Event) -> tuple[str, Answer]:
    match event:
        case Snapshot():
            profiles = [balance_response(balance) for balance in event.balances]
            return "snapshot", SnapshotEvent(server_time=event.server_time, profiles=profiles)
        case Change():
            return event.kind, BalanceEvent(
                server_time=event.server_time,
                profile_id=event.balance.key.profile_id,
                balance=balance_response(event.balance),
            )
        case Announcement():
            return event.kind, _particulars(event)


def _particulars(announcement: Announcement) -> Answer:
    assert announcement.profile_id is not None, "it is about a profile"
    assert announcement.subject_id is not None, "it is about a session or a request"
    if announcement.kind is Kind.SESSION_SUPERSEDED:
        return SupersededEvent(
            profile_id=announcement.profile_id,
            session_id=announcement.subject_id,
            device_name=announcement.device_name,
        )
    return RequestEvent(profile_id=announcement.profile_id, request_id=announcement.subject_id)
