"""The durable queue, in a schema of its own."""

from alembic import op

from watchkeeper.migrations import run_sql_file

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the schema `jobs`."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    run_sql_file("0009_jobs.sql")


def downgrade() -> None:
    """Drop it, with the jobs that wait."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL statement_timeout = '60s'")
    op.execute("DROP SCHEMA jobs CASCADE")
