"""What a heartbeat reads doesn't grow with what is stored; counted by PostgreSQL itself.

The statement is a function of the database, into which EXPLAIN doesn't look.
"""

from collections import Counter

from tests.accounts.steps import query
from tests.harness.family import Family, Player
from tests.harness.service import Service, quick_settings, running_service
from watchkeeper.core.config import DatabaseSettings

# One connection, so that its counters are the heartbeat's.
ALONE = quick_settings(
    database=DatabaseSettings(pool_size=1, max_overflow=0, prewarm_connections=1)
)
# Rows of others in every table that a heartbeat looks at (a hundred families with twenty sessions
# each), and 300 old sessions of the child's own.
_FILL = """
INSERT INTO viewing.sessions
SELECT (jsonb_populate_record(s, jsonb_build_object(
    'id', gen_random_uuid(), 'household_id', md5((n / 20)::text), 'profile_id', md5('p' || n / 20),
    'ended_at', s.last_accepted_at, 'end_reason', 'ended', 'start_key', 'start-' || n,
    'open_kind', NULL, 'open_title_id', NULL, 'open_day_starts_at', NULL, 'open_starts_at', NULL,
    'open_ends_at', NULL, 'open_credited_ms', NULL
))).* FROM viewing.sessions s, generate_series(1, 2000) n;
INSERT INTO viewing.sessions
SELECT (jsonb_populate_record(s, jsonb_build_object(
    'id', gen_random_uuid(), 'ended_at', s.last_accepted_at - n * interval '1 hour',
    'started_at', s.started_at - n * interval '1 hour', 'end_reason', 'ended',
    'start_key', 'start-' || n, 'open_kind', NULL, 'open_title_id', NULL,
    'open_day_starts_at', NULL, 'open_starts_at', NULL, 'open_ends_at', NULL,
    'open_credited_ms', NULL
))).* FROM viewing.sessions s, generate_series(1, 300) n WHERE s.id = '{session_id}';
INSERT INTO viewing.days
SELECT (jsonb_populate_record(d, jsonb_build_object(
    'household_id', gen_random_uuid(), 'profile_id', gen_random_uuid()
))).* FROM viewing.days d, generate_series(1, 2000);
INSERT INTO catalogue.titles
SELECT (jsonb_populate_record(t, jsonb_build_object(
    'id', gen_random_uuid(), 'external_id', 'copy-' || n
))).* FROM catalogue.titles t, generate_series(1, 2000) n;
ANALYZE viewing.sessions; ANALYZE viewing.days; ANALYZE catalogue.titles
"""
_READS = """
SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables
WHERE schemaname IN ('accounts', 'catalogue', 'viewing')
"""


async def _reads(service: Service) -> Counter[str]:
    """Rows read so far by table."""
    await query(service, "SELECT pg_stat_force_next_flush()")
    return Counter({table: int(rows) for table, rows in await query(service, _READS)})


async def _reads_of_a_heartbeat(service: Service, player: Player) -> Counter[str]:
    service.clock.advance(seconds=30)
    before = await _reads(service)
    await player.beat()
    return await _reads(service) - before


async def test_a_heartbeat_reads_its_own_rows_however_many_there_are(database_url: str) -> None:
    async with running_service(database_url, settings=ALONE) as service:
        family = await Family.register(service)
        player = family.player(await family.add_profile("Noa"))
        await player.play(90)
        few = await _reads_of_a_heartbeat(service, player)
        for statement in _FILL.format(session_id=player.session_id).split(";"):
            await query(service, statement)
        await _reads_of_a_heartbeat(service, player)  # plans anew, by the new statistics
        many = await _reads_of_a_heartbeat(service, player)
        assert few["sessions"] > 0, "nothing was counted, so nothing is shown"
        assert many.total() <= few.total() + 5, (few, many)
        player.session_id = None
        service.clock.advance(seconds=30)
        before = await _reads(service)
        assert (await player.send(start_key="start-7")).status_code == 410, "it ended long ago"
        first = await _reads(service) - before
        assert first["sessions"] <= few["sessions"] + 10, (few, first)
