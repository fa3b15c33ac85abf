"""What a day permits before grants: which limit holds, which title is free, which hours are open.

Source: viewing time, sections 2 and 3.
"""

from datetime import date
from uuid import UUID

from watchkeeper.viewing.rules.instants import Span, to_ms
from watchkeeper.viewing.types import DaySettings, Policy, SliceKind, Viewer, ViewingDay


def limit_minutes_on(day: ViewingDay, viewer: Viewer) -> int | None:
    """The plain limit of ``day`` in minutes; its label decides weekday or weekend.

    None means unlimited, which every adult is.
    """
    if not viewer.is_child:
        return None
    return plain_limit_minutes(day.label, viewer.policy, viewer.day_settings)


def plain_limit_minutes(label: date, policy: Policy, settings: DaySettings) -> int | None:
    """The limit in minutes that ``policy`` sets for a child's day with this label.

    None means unlimited. Reports use it for dates on which no day was made.
    """
    if label.isoweekday() in settings.weekend_days:
        return policy.weekend_limit_minutes
    return policy.weekday_limit_minutes


def slice_kind(title_id: UUID | None, viewer: Viewer) -> SliceKind:
    """Whether time with this title uses the allowance now.

    Only the catalogue's or the household's classification frees a title, and only while the
    profile's exemption is on. A title that is missing, unknown or unreadable counts.
    """
    if title_id is None or not viewer.policy.educational_exempt:
        return SliceKind.COUNTED
    if viewer.educational_titles.get(title_id, False):
        return SliceKind.EXEMPT
    return SliceKind.COUNTED


def permitted_spans(day: ViewingDay, policy: Policy) -> tuple[Span, ...]:
    """The parts of ``day`` in which play is allowed and charged, in order.

    Without windows and locks it is the whole day; ``policy`` is where they will be read from.
    """
    del policy
    return (Span(to_ms(day.starts_at), to_ms(day.ends_at)),)
