"""Accounts: households, users and sign-ins, profiles, devices and pairing, PIN, audit."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_DIRECTORY = (
    """
    CREATE TABLE accounts.users (
        id uuid NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
        email citext NOT NULL CONSTRAINT users_email UNIQUE,
        password_hash text NOT NULL,
        roles text[] NOT NULL,
        household_id uuid,
        is_demo boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL,
        password_changed_at timestamptz NOT NULL,
        disabled_at timestamptz
    )
    """,
    "CREATE INDEX users_household ON accounts.users (household_id)",
    """
    CREATE TABLE accounts.sign_ins (
        id uuid NOT NULL CONSTRAINT sign_ins_pkey PRIMARY KEY,
        user_id uuid NOT NULL
            CONSTRAINT sign_ins_user REFERENCES accounts.users ON DELETE CASCADE,
        household_id uuid,
        client text NOT NULL,
        created_at timestamptz NOT NULL,
        last_used_at timestamptz NOT NULL,
        ended_at timestamptz,
        end_reason text,
        elevated_until timestamptz,
        last_elevated_at timestamptz
    )
    """,
    "CREATE INDEX sign_ins_user ON accounts.sign_ins (user_id)",
    "CREATE INDEX sign_ins_household ON accounts.sign_ins (household_id)",
    "CREATE INDEX sign_ins_last_used ON accounts.sign_ins (last_used_at)",
    """
    CREATE TABLE accounts.refresh_tokens (
        token_hash bytea NOT NULL CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
        sign_in_id uuid NOT NULL
            CONSTRAINT refresh_tokens_sign_in REFERENCES accounts.sign_ins ON DELETE CASCADE,
        issued_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        used_at timestamptz
    )
    """,
    "CREATE INDEX refresh_tokens_sign_in ON accounts.refresh_tokens (sign_in_id)",
    """
    CREATE TABLE accounts.pairing_codes (
        code_hash bytea NOT NULL CONSTRAINT pairing_codes_pkey PRIMARY KEY,
        household_id uuid NOT NULL,
        profile_id uuid NOT NULL,
        device_name text,
        created_by uuid NOT NULL,
        expires_at timestamptz NOT NULL,
        tries_left smallint NOT NULL,
        used_at timestamptz
    )
    """,
    "CREATE INDEX pairing_codes_profile ON accounts.pairing_codes (household_id, profile_id)",
    "CREATE INDEX pairing_codes_expiry ON accounts.pairing_codes (expires_at)",
    """
    CREATE TABLE accounts.rate_limits (
        subject text NOT NULL CONSTRAINT rate_limits_pkey PRIMARY KEY,
        hits timestamptz[] NOT NULL,
        is_admitted boolean NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX rate_limits_expiry ON accounts.rate_limits (expires_at)",
)

_HOUSEHOLD = (
    """
    CREATE TABLE accounts.households (
        household_id uuid NOT NULL CONSTRAINT households_pkey PRIMARY KEY,
        name text NOT NULL,
        timezone text NOT NULL,
        reset_hour smallint NOT NULL DEFAULT 6
            CONSTRAINT households_reset_hour CHECK (reset_hour BETWEEN 0 AND 23),
        weekend_days smallint[] NOT NULL DEFAULT '{6,7}',
        is_demo boolean NOT NULL DEFAULT false,
        is_load_test boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE accounts.profiles (
        household_id uuid NOT NULL
            CONSTRAINT profiles_household REFERENCES accounts.households ON DELETE CASCADE,
        id uuid NOT NULL,
        name text NOT NULL,
        is_child boolean NOT NULL,
        avatar text,
        created_at timestamptz NOT NULL,
        CONSTRAINT profiles_pkey PRIMARY KEY (household_id, id)
    )
    """,
    """
    CREATE TABLE accounts.devices (
        household_id uuid NOT NULL
            CONSTRAINT devices_household REFERENCES accounts.households ON DELETE CASCADE,
        device_id text NOT NULL
            CONSTRAINT devices_device_id CHECK (length(device_id) BETWEEN 1 AND 100),
        id uuid NOT NULL,
        device_type text NOT NULL
            CONSTRAINT devices_device_type CHECK (device_type IN ('tv', 'mobile', 'tablet', 'web')),
        name text NOT NULL,
        profile_id uuid,
        pairing_id uuid,
        paired_at timestamptz,
        revoked_at timestamptz,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        CONSTRAINT devices_pkey PRIMARY KEY (household_id, device_id),
        CONSTRAINT devices_id UNIQUE (household_id, id),
        CONSTRAINT devices_paired_with_profile
            CHECK ((pairing_id IS NULL) = (profile_id IS NULL))
    )
    """,
    """
    CREATE TABLE accounts.pins (
        household_id uuid NOT NULL CONSTRAINT pins_pkey PRIMARY KEY
            CONSTRAINT pins_household REFERENCES accounts.households ON DELETE CASCADE,
        pin_hash text NOT NULL,
        set_at timestamptz NOT NULL,
        set_by uuid NOT NULL,
        wrong_at timestamptz[] NOT NULL DEFAULT '{}'
    )
    """,
    """
    CREATE TABLE accounts.pin_attempts (
        household_id uuid NOT NULL
            CONSTRAINT pin_attempts_household REFERENCES accounts.households ON DELETE CASCADE,
        subject text NOT NULL,
        wrong_count smallint NOT NULL,
        locked_until timestamptz,
        tried_at timestamptz NOT NULL,
        CONSTRAINT pin_attempts_pkey PRIMARY KEY (household_id, subject)
    )
    """,
    """
    CREATE TABLE accounts.audit (
        household_id uuid NOT NULL,
        id uuid NOT NULL,
        at timestamptz NOT NULL,
        actor text NOT NULL,
        action text NOT NULL,
        subject text NOT NULL,
        before jsonb,
        after jsonb,
        request_id text,
        CONSTRAINT audit_pkey PRIMARY KEY (household_id, id)
    )
    """,
    # Append-only even for the owner. A privilege instead of a trigger, because distributed
    # tables can't have triggers; a superuser isn't bound by it.
    "REVOKE UPDATE, DELETE, TRUNCATE ON accounts.audit FROM CURRENT_USER",
)

# What other domains may read and call.
_PUBLIC = (
    """
    CREATE VIEW accounts.pub_households AS
    SELECT household_id, name, timezone, reset_hour, weekend_days, is_demo, is_load_test,
           created_at
    FROM accounts.households
    """,
    """
    CREATE VIEW accounts.pub_profiles AS
    SELECT household_id, id AS profile_id, name, is_child, avatar, created_at
    FROM accounts.profiles
    """,
    """
    CREATE VIEW accounts.pub_devices AS
    SELECT household_id, device_id, device_type, name, profile_id, pairing_id, paired_at,
           revoked_at, first_seen_at, last_seen_at
    FROM accounts.devices
    """,
    """
    CREATE FUNCTION accounts.pub_sign_in_state(sign_in_id uuid) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN EXISTS (
        SELECT FROM accounts.sign_ins AS s
        JOIN accounts.users AS u ON u.id = s.user_id
        WHERE s.id = pub_sign_in_state.sign_in_id
          AND s.ended_at IS NULL AND u.disabled_at IS NULL
    ) THEN 'active' ELSE 'ended' END
    """,
    """
    CREATE FUNCTION accounts.pub_pairing_state(
        household_id uuid, device_id text, pairing_id uuid
    ) RETURNS text
    LANGUAGE sql STABLE
    RETURN CASE WHEN EXISTS (
        SELECT FROM accounts.devices AS d
        WHERE d.household_id = pub_pairing_state.household_id
          AND d.device_id = pub_pairing_state.device_id
          AND d.pairing_id = pub_pairing_state.pairing_id
    ) THEN 'active' ELSE 'revoked' END
    """,
    # Registers devices by their first heartbeat, and notes at most hourly that they were seen.
    # Of a household's unpaired devices the 200 that were seen last are kept, so that invented
    # names can't fill the database. Rows are taken in one order, and rows that another
    # transaction holds are left to it: concurrent calls can't deadlock.
    """
    CREATE FUNCTION accounts.pub_register_devices(
        household_ids uuid[], device_ids text[], device_types text[], seen_at timestamptz
    ) RETURNS void
    LANGUAGE plpgsql AS $$
    DECLARE
        grown uuid[];
    BEGIN
        WITH seen AS (
            SELECT DISTINCT ON (s.household_id, s.device_id)
                   s.household_id, s.device_id, s.device_type
            FROM unnest(household_ids, device_ids, device_types)
                 AS s (household_id, device_id, device_type)
            JOIN accounts.households AS h ON h.household_id = s.household_id
            LEFT JOIN accounts.devices AS known
                   ON known.household_id = s.household_id AND known.device_id = s.device_id
            WHERE known.device_id IS NULL
               OR known.last_seen_at <= seen_at - interval '1 hour'
               OR known.revoked_at IS NOT NULL
            ORDER BY s.household_id, s.device_id
        ), written AS (
            INSERT INTO accounts.devices AS d (
                household_id, device_id, id, device_type, name, first_seen_at, last_seen_at)
            SELECT seen.household_id, seen.device_id, gen_random_uuid(), seen.device_type,
                   CASE seen.device_type WHEN 'tv' THEN 'TV' WHEN 'mobile' THEN 'Phone'
                        WHEN 'tablet' THEN 'Tablet' ELSE 'Web browser' END,
                   seen_at, seen_at
            FROM seen
            ON CONFLICT ON CONSTRAINT devices_pkey DO UPDATE
                SET last_seen_at = greatest(d.last_seen_at, excluded.last_seen_at),
                    revoked_at = NULL
            RETURNING d.household_id, d.first_seen_at = seen_at AS is_new
        )
        SELECT array_agg(DISTINCT written.household_id) INTO grown FROM written WHERE is_new;

        IF grown IS NOT NULL THEN
            DELETE FROM accounts.devices AS d
            USING (
                SELECT o.household_id, o.device_id
                FROM accounts.devices AS o
                JOIN (
                    SELECT u.household_id, u.device_id,
                           row_number() OVER (PARTITION BY u.household_id
                               ORDER BY u.last_seen_at DESC, u.first_seen_at DESC) AS place
                    FROM accounts.devices AS u
                    WHERE u.household_id = ANY (grown) AND u.pairing_id IS NULL
                ) AS ranked ON ranked.household_id = o.household_id
                           AND ranked.device_id = o.device_id
                WHERE ranked.place > 200 AND o.pairing_id IS NULL
                FOR UPDATE OF o SKIP LOCKED
            ) AS surplus
            WHERE d.household_id = surplus.household_id AND d.device_id = surplus.device_id;
        END IF;
    END
    $$
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("CREATE EXTENSION IF NOT EXISTS citext")
    op.execute("CREATE SCHEMA accounts")
    for statement in (*_DIRECTORY, *_HOUSEHOLD, *_PUBLIC):
        op.execute(statement)


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    # citext stays: something else in the database may use it.
    op.execute("DROP SCHEMA accounts CASCADE")
