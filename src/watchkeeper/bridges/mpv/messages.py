"""What the bridge says on mpv's screen, in words for a child."""

from datetime import timedelta

from watchkeeper.client import Grant, Outcome, Phase

PIN_USAGE = "To add time: script-message watchkeeper-pin PIN MINUTES"

_BLOCKED = {
    "limit": "Your viewing time for today is used up.",
    "bedtime": "It's too late to watch now. See you tomorrow!",
    "locked": "A parent has paused viewing.",
}
_UNKNOWN_REASON = "Viewing isn't possible right now."


def held_message(outcome: Outcome) -> str | None:
    """What a held player says; None while there is nothing to say yet."""
    match outcome.phase:
        case Phase.BLOCKED:
            return f"{_BLOCKED.get(outcome.reason or '', _UNKNOWN_REASON)}\nAsk a parent for more."
        case Phase.UNREACHABLE:
            return (
                "Watchkeeper can't be reached, so the player has to wait.\n"
                "Your time isn't up. It goes on by itself when the connection is back."
            )
        case Phase.SUPERSEDED:
            where = outcome.device_name or "another device"
            return f"You are watching on {where} now.\nPress play to watch here instead."
        case Phase.REFUSED:
            return f"Watchkeeper doesn't let this player in.\n{outcome.detail or ''}".rstrip()
    return None


def time_left(remaining: timedelta | None) -> str:
    """What is left of today's time; minutes are rounded up, as a clock on the wall would."""
    if remaining is None:
        return "No limit right now."
    minutes = -(-remaining // timedelta(minutes=1))
    if minutes <= 1:
        return "Less than a minute left today."
    return f"{minutes} minutes left today."


def granted_message(grant: Grant) -> str:
    """What a grant by PIN gave."""
    if grant.granted_minutes is None:
        return "No limit for the rest of today."
    minutes = round(grant.granted_minutes)
    unit = "minute" if minutes == 1 else "minutes"
    remaining = grant.remaining_minutes
    left = None if remaining is None else timedelta(minutes=remaining)
    return f"{minutes} more {unit}. {time_left(left)}"
