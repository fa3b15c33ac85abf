"""Notifications of guardians, and when each household's week is to be reported."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_STATEMENTS = (
    """
    CREATE TABLE accounts.notifications (
        household_id uuid NOT NULL
            CONSTRAINT notifications_household
            REFERENCES accounts.households ON DELETE CASCADE,
        id uuid NOT NULL,
        kind text NOT NULL,
        subject text NOT NULL,
        title text NOT NULL,
        period_start date,
        period_end date,
        content jsonb NOT NULL,
        created_at timestamptz NOT NULL,
        CONSTRAINT notifications_pkey PRIMARY KEY (household_id, id),
        CONSTRAINT notifications_subject UNIQUE (household_id, kind, subject),
        CONSTRAINT notifications_period CHECK ((period_start IS NULL) = (period_end IS NULL))
    )
    """,
    """
    CREATE INDEX notifications_newest
        ON accounts.notifications (household_id, created_at DESC, id DESC)
    """,
    "CREATE INDEX notifications_age ON accounts.notifications (created_at)",
    """
    CREATE TABLE accounts.notification_reads (
        household_id uuid NOT NULL,
        notification_id uuid NOT NULL,
        user_id uuid NOT NULL,
        read_at timestamptz NOT NULL,
        CONSTRAINT notification_reads_pkey
            PRIMARY KEY (household_id, notification_id, user_id),
        CONSTRAINT notification_reads_notification
            FOREIGN KEY (household_id, notification_id)
            REFERENCES accounts.notifications ON DELETE CASCADE
    )
    """,
    # One row a household with children. `next_week_on` is the Monday of the first week that
    # hasn't been reported, null until somebody has looked; `look_at` is when that week may be
    # over, `-infinity` for at once.
    """
    CREATE TABLE viewing.report_plans (
        household_id uuid NOT NULL CONSTRAINT report_plans_pkey PRIMARY KEY,
        since timestamptz NOT NULL,
        next_week_on date,
        look_at timestamptz NOT NULL,
        CONSTRAINT report_plans_monday CHECK (extract(isodow FROM next_week_on) = 1)
    )
    """,
    "CREATE INDEX report_plans_look_at ON viewing.report_plans (look_at)",
    # Households that are there already get their first report at the end of the present week.
    """
    INSERT INTO viewing.report_plans (household_id, since, look_at)
    SELECT DISTINCT p.household_id, now(), '-infinity'::timestamptz
    FROM accounts.pub_profiles p
    JOIN accounts.households h ON h.household_id = p.household_id
    WHERE p.is_child AND NOT h.is_load_test
    """,
)


def upgrade() -> None:
    """Create the tables, and plan reports for the households that are there."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    for statement in _STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them, with what was delivered."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DROP TABLE viewing.report_plans")
    op.execute("DROP TABLE accounts.notification_reads")
    op.execute("DROP TABLE accounts.notifications")
