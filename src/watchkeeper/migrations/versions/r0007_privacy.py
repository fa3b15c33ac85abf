"""Invitations of guardians, receipts of deletions, and how audit lines about the deleted go."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TABLES = (
    # Found by its code before the household is known, like a pairing code.
    """
    CREATE TABLE accounts.invitations (
        code_hash bytea NOT NULL CONSTRAINT invitations_pkey PRIMARY KEY,
        id uuid NOT NULL CONSTRAINT invitations_id UNIQUE,
        household_id uuid NOT NULL,
        email citext NOT NULL,
        created_by uuid NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX invitations_household ON accounts.invitations (household_id)",
    "CREATE INDEX invitations_expiry ON accounts.invitations (expires_at)",
    # Belongs to nobody: it is kept when they are gone.
    """
    CREATE TABLE accounts.deletion_receipts (
        id uuid NOT NULL CONSTRAINT deletion_receipts_pkey PRIMARY KEY,
        kind text NOT NULL
            CONSTRAINT deletion_receipts_kind CHECK (kind IN ('profile', 'household')),
        deleted_at timestamptz NOT NULL,
        rows_by_table jsonb NOT NULL
    )
    """,
    # A device that was removed keeps its name for history; it goes when its child does.
    "ALTER TABLE accounts.devices ADD COLUMN last_profile_id uuid",
    """
    UPDATE accounts.devices AS d SET last_profile_id = coalesce(d.profile_id, (
        SELECT CAST(a.after ->> 'profile_id' AS uuid)
        FROM accounts.audit AS a
        WHERE a.household_id = d.household_id AND a.action = 'device.paired'
          AND a.subject = 'device:' || d.id
        ORDER BY a.at DESC, a.id DESC LIMIT 1
    ))
    """,
)

# The trail can only grow, even for its owner (0001). These two functions are the ways by which a
# line may go: its people are deleted, or it is old. They give the right to delete to the owner and
# take it back in the same transaction, so that nobody else ever sees it; only one transaction at a
# time may do so, because the second would meet a changed catalogue row. See ADR 19.
_ERASURE = (
    """
    CREATE FUNCTION accounts.erase_audit(
        p_household uuid, p_profile uuid, p_mentions text[]
    ) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    DECLARE
        erased bigint;
    BEGIN
        IF EXISTS (SELECT FROM accounts.households AS h
                   WHERE h.household_id = p_household AND p_profile IS NULL)
           OR EXISTS (SELECT FROM accounts.profiles AS p
                      WHERE p.household_id = p_household AND p.id = p_profile) THEN
            RAISE EXCEPTION 'the audit trail of what still exists is kept'
                USING ERRCODE = 'object_not_in_prerequisite_state';
        END IF;
        PERFORM pg_advisory_xact_lock(1465600332, 1);
        GRANT DELETE ON accounts.audit TO CURRENT_USER;
        DELETE FROM accounts.audit AS a
        WHERE a.household_id = p_household
          AND (p_profile IS NULL
               OR a.subject = ANY (p_mentions) OR a.actor = ANY (p_mentions)
               OR strpos(concat(a.before, a.after), CAST(p_profile AS text)) > 0);
        GET DIAGNOSTICS erased = ROW_COUNT;
        REVOKE DELETE ON accounts.audit FROM CURRENT_USER;
        RETURN erased;
    END
    $$
    """,
    """
    CREATE FUNCTION accounts.forget_audit(
        p_households uuid[], p_before timestamptz, p_at_most integer
    ) RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
    DECLARE
        old_households uuid[];
        old_ids uuid[];
        forgotten bigint;
    BEGIN
        SELECT array_agg(old.household_id), array_agg(old.id) INTO old_households, old_ids
        FROM (
            SELECT a.household_id, a.id
            FROM unnest(p_households) AS k (household_id)
            CROSS JOIN LATERAL (
                SELECT t.household_id, t.id FROM accounts.audit AS t
                WHERE t.household_id = k.household_id AND t.at < p_before
                ORDER BY t.at LIMIT p_at_most
            ) AS a
            LIMIT p_at_most
        ) AS old;
        IF old_ids IS NULL THEN
            RETURN 0;
        END IF;
        PERFORM pg_advisory_xact_lock(1465600332, 1);
        GRANT DELETE ON accounts.audit TO CURRENT_USER;
        DELETE FROM accounts.audit AS a
        USING unnest(old_households, old_ids) AS old (household_id, id)
        WHERE a.household_id = old.household_id AND a.id = old.id;
        GET DIAGNOSTICS forgotten = ROW_COUNT;
        REVOKE DELETE ON accounts.audit FROM CURRENT_USER;
        RETURN forgotten;
    END
    $$
    """,
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in (*_TABLES, *_ERASURE):
        op.execute(statement)
    for function in ("erase_audit(uuid, uuid, text[])", "forget_audit(uuid[], timestamptz, int)"):
        op.execute(f"REVOKE EXECUTE ON FUNCTION accounts.{function} FROM PUBLIC")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DROP FUNCTION accounts.forget_audit")
    op.execute("DROP FUNCTION accounts.erase_audit")
    op.execute("ALTER TABLE accounts.devices DROP COLUMN last_profile_id")
    op.execute("DROP TABLE accounts.deletion_receipts")
    op.execute("DROP TABLE accounts.invitations")
