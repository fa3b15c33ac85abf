"""The index that history reads by, built concurrently so that heartbeats go on meanwhile."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index outside a transaction; a half-built one of an earlier try goes first."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS viewing.sessions_by_start")
        op.execute(
            "CREATE INDEX CONCURRENTLY sessions_by_start "
            "ON viewing.sessions (household_id, profile_id, started_at DESC)"
        )


def downgrade() -> None:
    """Drop the index the same way."""
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS viewing.sessions_by_start")
