"""What a day permits before grants: which limit holds, and which title is free.

Source: viewing time, sections 2 and 3.
"""

from datetime import date
from uuid import UUID

from watchkeeper.viewing.policy_types import DaySettings, Policy
from watchkeeper.viewing.types import SliceKind, Viewer, ViewingDay


def limit_minutes_on(day: ViewingDay, viewer: Viewer) -> int | None:
    """The plain limit of ``day`` in minutes, chosen by its label.

    None means unlimited, which every adult is. Of two days with one label only the first has the
    limit of that date's override: it is one allowance, not two.
    """
    if not viewer.is_child:
        return None
    if not day.is_first_with_label:
        return _limit_of_weekday(day.label, viewer.policy, viewer.day_settings)
    return plain_limit_minutes(day.label, viewer.policy, viewer.day_settings)


def plain_limit_minutes(label: date, policy: Policy, settings: DaySettings) -> int | None:
    """The limit in minutes that ``policy`` sets for a child's day with this label.

    An override of the date comes first, then the weekday's own limit, then that of weekdays or
    weekend days. None means unlimited. Reports use it for dates on which no day was made.
    """
    override = policy.overrides.get(label)
    if override is not None and override.has_limit:
        return override.limit_minutes
    return _limit_of_weekday(label, policy, settings)


def _limit_of_weekday(label: date, policy: Policy, settings: DaySettings) -> int | None:
    weekday = label.isoweekday()
    if weekday in policy.day_limits:
        return policy.day_limits[weekday]
    if weekday in settings.weekend_days:
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
