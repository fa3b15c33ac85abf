"""Whether every index is there and can be used.

A unique index that is missing lets in what the rules rely on never happening; any other one makes
heartbeats slow as the tables grow.
"""

from watchkeeper.doctor.findings import Finding, Verdict, counted, well
from watchkeeper.doctor.subject import EXAMPLES, Subject

NAME = "indexes"
SCHEMAS = ("accounts", "catalogue", "viewing")

EXPECTED = frozenset(
    {
        "accounts.audit_by_time",
        "accounts.audit_pkey",
        "accounts.deletion_receipts_pkey",
        "accounts.devices_id",
        "accounts.devices_pkey",
        "accounts.households_pkey",
        "accounts.invitations_expiry",
        "accounts.invitations_household",
        "accounts.invitations_id",
        "accounts.invitations_pkey",
        "accounts.notification_reads_pkey",
        "accounts.notifications_age",
        "accounts.notifications_newest",
        "accounts.notifications_pkey",
        "accounts.notifications_subject",
        "accounts.pairing_codes_expiry",
        "accounts.pairing_codes_pkey",
        "accounts.pairing_codes_profile",
        "accounts.pin_attempts_pkey",
        "accounts.pins_pkey",
        "accounts.profiles_pkey",
        "accounts.rate_limits_expiry",
        "accounts.rate_limits_pkey",
        "accounts.refresh_tokens_pkey",
        "accounts.refresh_tokens_sign_in",
        "accounts.sign_ins_household",
        "accounts.sign_ins_last_used",
        "accounts.sign_ins_pkey",
        "accounts.sign_ins_user",
        "accounts.users_email",
        "accounts.users_household",
        "accounts.users_pkey",
        "catalogue.titles_all_households_by_name",
        "catalogue.titles_all_households_name_words",
        "catalogue.titles_global_by_name",
        "catalogue.titles_global_name_words",
        "catalogue.titles_global_tags",
        "catalogue.titles_household_by_name",
        "catalogue.titles_pk",
        "catalogue.titles_reference_unique",
        "viewing.days_pkey",
        "viewing.decisions_pkey",
        "viewing.grants_by_day",
        "viewing.grants_cancelled_once",
        "viewing.grants_once_per_key",
        "viewing.grants_pkey",
        "viewing.locks_pkey",
        "viewing.overrides_pkey",
        "viewing.report_plans_look_at",
        "viewing.report_plans_pkey",
        "viewing.requests_newest",
        "viewing.requests_once_per_key",
        "viewing.requests_one_open",
        "viewing.requests_pkey",
        "viewing.sessions_by_start",
        "viewing.sessions_by_start_key",
        "viewing.sessions_one_open_per_child",
        "viewing.sessions_open",
        "viewing.sessions_pkey",
        "viewing.slices_by_day",
        "viewing.slices_pkey",
        "viewing.title_overrides_pkey",
        "viewing.viewers_pkey",
    }
)
"""Every index that the migrations make; a test compares it with a migrated database."""


async def check_indexes(subject: Subject) -> Finding:
    """Fault for each that is missing or was left half built. Cost: 2 statements."""
    rows = await subject.read("list_indexes", schemas=list(SCHEMAS))
    missing = sorted(EXPECTED - {row.name for row in rows})
    invalid = sorted(row.name for row in rows if not row.is_valid)
    if not missing and not invalid:
        return well(NAME, f"All {len(EXPECTED)} indexes are there and valid.")
    found = f"{counted(len(missing), 'index is', 'indexes are')} missing, {len(invalid)} invalid."
    examples = [f"{name}: missing" for name in missing] + [f"{name}: invalid" for name in invalid]
    return Finding(
        NAME,
        Verdict.FAULT,
        found,
        tuple(examples[:EXAMPLES]),
        "REINDEX INDEX CONCURRENTLY those that are invalid; make those that are missing as "
        "src/watchkeeper/migrations does.",
    )
