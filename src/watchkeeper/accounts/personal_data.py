"""What accounts keep of people, in the order in which it is erased."""

from watchkeeper.core.personal_data import PersonalTable

_PAIRED = (
    "t.household_id = k.household_id AND EXISTS (SELECT FROM accounts.devices d "
    "WHERE d.household_id = k.household_id AND d.last_profile_id = k.profile_id "
    "AND t.subject = 'device:' || d.device_id)"
)

TABLES = (
    PersonalTable(
        name="accounts.audit",
        columns="id at actor action subject before after request_id",
        key="household_id id",
        of_profile=(
            "t.household_id = k.household_id AND (t.subject = 'profile:' || k.profile_id "
            "OR strpos(concat(t.before, t.after), CAST(k.profile_id AS text)) > 0)"
        ),
        # By a function of its own, because nobody may delete from it: see migration 0007.
        is_erased_here=False,
    ),
    PersonalTable(
        name="accounts.refresh_tokens",
        columns="sign_in_id issued_at expires_at used_at",
        left_out="token_hash",
        key="token_hash",
        of_household=(
            "t.sign_in_id IN (SELECT s.id FROM accounts.sign_ins s "
            "WHERE s.household_id = k.household_id)"
        ),
        of_profile=None,
    ),
    PersonalTable(
        name="accounts.sign_ins",
        columns="id user_id client created_at last_used_at ended_at end_reason elevated_until "
        "last_elevated_at",
        key="id",
        of_profile=None,
    ),
    PersonalTable(
        name="accounts.invitations",
        columns="id email created_by created_at expires_at",
        left_out="code_hash",
        key="id",
        of_profile=None,
    ),
    PersonalTable(
        name="accounts.pairing_codes",
        columns="profile_id device_name created_by expires_at tries_left used_at",
        left_out="code_hash",
        key="code_hash",
        of_profile="t.household_id = k.household_id AND t.profile_id = k.profile_id",
    ),
    PersonalTable(
        name="accounts.pin_attempts",
        columns="subject wrong_count locked_until tried_at",
        key="household_id subject",
        of_profile=_PAIRED,
    ),
    PersonalTable(
        name="accounts.pins",
        columns="set_at set_by wrong_at",
        left_out="pin_hash",
        key="household_id",
        of_profile=None,
    ),
    PersonalTable(
        name="accounts.users",
        columns="id email roles is_demo created_at password_changed_at disabled_at",
        left_out="password_hash",
        key="id",
        of_profile=None,
    ),
    PersonalTable(
        name="accounts.devices",
        columns="id device_id device_type name profile_id last_profile_id paired_at revoked_at "
        "first_seen_at last_seen_at",
        # Names the pairing in the device's token.
        left_out="pairing_id",
        key="household_id device_id",
        of_profile="t.household_id = k.household_id AND t.last_profile_id = k.profile_id",
    ),
    PersonalTable(
        name="accounts.notification_reads",
        columns="notification_id user_id read_at",
        key="household_id notification_id user_id",
        of_profile=None,
    ),
    PersonalTable(
        name="accounts.notifications",
        columns="id kind subject title period_start period_end content created_at",
        key="household_id id",
        # A profile is taken out of what was delivered to the household.
        of_profile=None,
    ),
    PersonalTable(
        name="accounts.profiles",
        columns="id name is_child avatar created_at",
        key="household_id id",
        of_profile="t.household_id = k.household_id AND t.id = k.profile_id",
    ),
    PersonalTable(
        name="accounts.households",
        columns="household_id name timezone reset_hour weekend_days is_demo is_load_test "
        "created_at",
        key="household_id",
        of_profile=None,
    ),
)

NOT_PERSONAL = {
    "accounts.rate_limits": "callers are hashed and lapse within hours; a deletion takes its own",
    "accounts.deletion_receipts": "made to hold nothing of anybody",
}
