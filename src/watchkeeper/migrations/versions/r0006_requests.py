"""Requests of children for more time."""

from alembic import op

from watchkeeper.migrations import run_sql_file

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of requests."""
    run_sql_file("0006_requests.sql")


def downgrade() -> None:
    """Drop it, with what was asked."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DROP TABLE viewing.requests")
