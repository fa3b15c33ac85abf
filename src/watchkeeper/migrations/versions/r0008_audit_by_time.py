"""The index that the audit list reads by, built concurrently: the trail grows meanwhile."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index outside a transaction; a half-built one of an earlier try goes first."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '5s'")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS accounts.audit_by_time")
        op.execute(
            "CREATE INDEX CONCURRENTLY audit_by_time ON accounts.audit (household_id, at, id)"
        )
        op.execute("RESET lock_timeout")


def downgrade() -> None:
    """Drop the index the same way."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '5s'")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS accounts.audit_by_time")
        op.execute("RESET lock_timeout")
