"""Limits by weekday, open hours, overrides, locks, and the version of what is remembered."""

from watchkeeper.migrations import run_sql_file

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables, columns and a view; the version before goes on working on them."""
    run_sql_file("0005_rules.sql")


def downgrade() -> None:
    """Drop them, and put the functions back as they were."""
    run_sql_file("0005_rules_undo.sql")
