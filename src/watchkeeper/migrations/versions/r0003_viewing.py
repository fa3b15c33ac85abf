"""Viewing time: viewers, days, sessions, slices, grants, decisions."""

from watchkeeper.migrations import run_sql_file

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the schema `viewing`."""
    run_sql_file("0003_viewing.sql")


def downgrade() -> None:
    """Drop it, with all viewing time."""
    from alembic import op

    op.execute("DROP SCHEMA viewing CASCADE")
