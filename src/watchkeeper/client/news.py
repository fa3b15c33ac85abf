"""Which pushed events are news for a player, so that it should ask what it may do now."""

from datetime import timedelta
from typing import Any

from watchkeeper.client.events import ServerEvent
from watchkeeper.client.outcome import Phase
from watchkeeper.client.session import PlayerSession

# A balance in a snapshot is as old as the last heartbeat; a smaller difference is no news.
_WORTH_ASKING = timedelta(minutes=1)


def is_news(event: ServerEvent, session: PlayerSession) -> bool:
    """Whether a player with an open session should ask at once because of this event."""
    if session.session_id is None:
        return False
    match event.name:
        case "session_superseded":
            return event.data.get("session_id") == str(session.session_id)
        case "balance_changed" | "policy_changed":
            return _is_about(session, event.data)
        case "snapshot":
            balances = event.data.get("profiles", [])
            return any(_is_about(session, one) and _differs(one, session) for one in balances)
    return False


def _is_about(session: PlayerSession, data: dict[str, Any]) -> bool:
    return bool(data.get("profile_id") == str(session.player.profile_id))


def _differs(balance: dict[str, Any], session: PlayerSession) -> bool:
    """Whether a snapshot says something else than the player knows.

    A player that was held because the service was away asks in any case: it is back.
    """
    phase = session.outcome.phase
    is_blocked = balance.get("enforcement") == "blocked"
    if phase is Phase.UNREACHABLE or is_blocked != (phase is Phase.BLOCKED):
        return True
    if is_blocked:
        return False
    minutes, ours = balance.get("remaining_minutes"), session.remaining()
    if minutes is None or ours is None:
        return (minutes is None) != (ours is None)
    return abs(timedelta(minutes=minutes) - ours) >= _WORTH_ASKING
