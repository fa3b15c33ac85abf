"""What viewing time keeps of people, in the order in which it is erased.

The viewers come first: whoever settles a heartbeat holds its viewer, so that erasing it waits for
them and keeps later ones out.
"""

from watchkeeper.core.personal_data import OF_PROFILE, PersonalTable

VIEWERS = PersonalTable(
    name="viewing.viewers",
    columns="profile_id weekday_limit_minutes weekend_limit_minutes educational_exempt "
    "warning_first_minutes warning_second_minutes grace_seconds day_limits windows updated_at",
    left_out="version",
    key="household_id profile_id",
    of_profile=OF_PROFILE,
)

# Names of what was watched, which sessions and slices only point to.
WATCHED_TITLES = PersonalTable(
    name="viewing.watched_titles",
    source="catalogue.pub_titles",
    columns="id source external_id name is_educational",
    key="id",
    of_household=(
        "(t.household_id IS NULL OR t.household_id = k.household_id) AND t.id IN ("
        "SELECT s.title_id FROM viewing.sessions s WHERE s.household_id = k.household_id UNION ALL "
        "SELECT p.title_id FROM viewing.slices p WHERE p.household_id = k.household_id)"
    ),
    of_profile=(
        "(t.household_id IS NULL OR t.household_id = k.household_id) AND t.id IN ("
        "SELECT s.title_id FROM viewing.sessions s "
        "WHERE s.household_id = k.household_id AND s.profile_id = k.profile_id UNION ALL "
        "SELECT p.title_id FROM viewing.slices p "
        "WHERE p.household_id = k.household_id AND p.profile_id = k.profile_id)"
    ),
)

TABLES = (
    VIEWERS,
    PersonalTable(
        name="viewing.decisions",
        columns="profile_id number decided_at session_id device_id enforcement reason remaining_ms",
        key="household_id profile_id number",
        of_profile=OF_PROFILE,
        forgotten_when="t.decided_at < k.keep_from",
    ),
    PersonalTable(
        name="viewing.requests",
        columns="id profile_id minutes message status asked_by_user_id asked_by_device_id "
        "idempotency_key created_at expires_at answered_at answered_by_user_id answer "
        "granted_minutes grant_id",
        key="household_id id",
        of_profile=OF_PROFILE,
        forgotten_when="t.expires_at <= k.keep_from",
    ),
    PersonalTable(
        name="viewing.locks",
        columns="profile_id locked_at locked_until",
        key="household_id profile_id locked_at",
        of_profile=OF_PROFILE,
        forgotten_when="t.locked_until < k.keep_from",
    ),
    PersonalTable(
        name="viewing.overrides",
        columns="profile_id on_date has_limit limit_minutes windows updated_at",
        key="household_id profile_id on_date",
        of_profile=OF_PROFILE,
        # The limit of a date is shown beside its total, and so is kept as long.
        forgotten_when="t.on_date < (k.totals_from - interval '2 days')::date",
    ),
    PersonalTable(
        name="viewing.grants",
        columns="id profile_id day_starts_at minutes channel reason floor_ms cancels_id "
        "actor_user_id actor_device_id idempotency_key extends_window extended_from extended_until "
        "created_at",
        key="household_id id",
        of_profile=OF_PROFILE,
        forgotten_when="t.day_starts_at < k.keep_from",
    ),
    PersonalTable(
        name="viewing.slices",
        columns="session_id ordinal profile_id title_id kind day_starts_at starts_at ends_at "
        "credited_ms",
        key="household_id session_id ordinal",
        of_profile=OF_PROFILE,
        forgotten_when="t.day_starts_at < k.keep_from",
    ),
    PersonalTable(
        name="viewing.sessions",
        columns="id profile_id is_child device_id device_type device_name title_id started_at "
        "last_accepted_at ended_at end_reason state counted_ms exempt_ms written_off_ms "
        "forgiven_ms is_flagged was_blocked last_enforcement last_reason "
        "superseded_by_device_id superseded_by_device_name slice_count open_title_id open_kind "
        "open_day_starts_at open_starts_at open_ends_at open_credited_ms",
        # What counting needs between two heartbeats.
        left_out="start_key has_counters seq played_ms paused_ms bucket_ms pause_counted_ms",
        key="household_id id",
        of_profile=OF_PROFILE,
        forgotten_when="t.started_at < k.keep_from AND t.ended_at <= k.keep_from",
    ),
    PersonalTable(
        name="viewing.days",
        columns="profile_id starts_at ends_at label timezone reset_hour limit_minutes counted_ms "
        "exempt_ms written_off_ms forgiven_ms granted_minutes floor_ms unlimited_grants "
        "is_first_with_label extensions",
        key="household_id profile_id starts_at",
        of_profile=OF_PROFILE,
        # The newest day stays, however old it is: the next one begins where it ends.
        forgotten_when=(
            "t.ends_at <= k.totals_from AND t.ends_at <= k.keep_from AND t.starts_at < ("
            "SELECT max(l.starts_at) FROM viewing.days l "
            "WHERE l.household_id = k.household_id AND l.profile_id = k.profile_id)"
        ),
    ),
    PersonalTable(
        name="viewing.title_overrides",
        columns="title_id counts updated_at",
        key="household_id title_id",
        of_profile=None,
    ),
    PersonalTable(
        name="viewing.report_plans",
        columns="since next_week_on look_at",
        key="household_id",
        of_profile=None,
    ),
    WATCHED_TITLES,
)

NOT_PERSONAL: dict[str, str] = {}
