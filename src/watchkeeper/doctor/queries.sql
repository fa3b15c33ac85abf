-- name: read_clock
-- The server's time; the other queries get it as a parameter.
SELECT clock_timestamp() AS now

-- name: list_range_ends
-- The last household of every range of so many, so that no statement runs long.
-- Parameter: at_once. Index: households_pkey. Budget: one pass over households.
SELECT ranked.household_id
FROM (SELECT household_id, row_number() OVER (ORDER BY household_id) AS place
      FROM accounts.households) AS ranked
WHERE ranked.place % CAST(:at_once AS bigint) = 0
ORDER BY ranked.household_id

-- name: days_against_slices
-- Days whose sums differ from those of their slices.
-- Parameters of all queries about rows: after, until (households, half-open below), now, since,
-- at_most. Index: primary keys, by range. Budget: one pass over the range.
WITH summed AS (
    SELECT household_id, profile_id, day_starts_at,
           coalesce(sum(credited_ms) FILTER (WHERE kind = 'counted'), 0) AS counted_ms,
           coalesce(sum(credited_ms) FILTER (WHERE kind = 'exempt'), 0) AS exempt_ms
    FROM viewing.pub_slices
    WHERE household_id > :after AND household_id <= :until AND day_starts_at >= :since
    GROUP BY household_id, profile_id, day_starts_at
)
SELECT format('profile %s, day from %s: the day holds %s + %s ms, its slices %s + %s ms',
              d.profile_id, d.starts_at, d.counted_ms, d.exempt_ms,
              coalesce(s.counted_ms, 0), coalesce(s.exempt_ms, 0)) AS example,
       count(*) OVER () AS total
FROM viewing.days d
LEFT JOIN summed s ON s.household_id = d.household_id AND s.profile_id = d.profile_id
                  AND s.day_starts_at = d.starts_at
WHERE d.household_id > :after AND d.household_id <= :until AND d.starts_at >= :since
  AND d.starts_at <= :now
  AND (d.counted_ms <> coalesce(s.counted_ms, 0) OR d.exempt_ms <> coalesce(s.exempt_ms, 0))
ORDER BY d.household_id, d.profile_id, d.starts_at
LIMIT :at_most

-- name: sessions_against_slices
-- Sessions whose sums differ from those of their slices.
-- Parameters, index and budget: see days_against_slices.
WITH summed AS (
    SELECT household_id, session_id,
           coalesce(sum(credited_ms) FILTER (WHERE kind = 'counted'), 0) AS counted_ms,
           coalesce(sum(credited_ms) FILTER (WHERE kind = 'exempt'), 0) AS exempt_ms
    FROM viewing.pub_slices
    WHERE household_id > :after AND household_id <= :until
    GROUP BY household_id, session_id
)
SELECT format('session %s: it holds %s + %s ms, its slices %s + %s ms',
              o.id, o.counted_ms, o.exempt_ms,
              coalesce(s.counted_ms, 0), coalesce(s.exempt_ms, 0)) AS example,
       count(*) OVER () AS total
FROM viewing.sessions o
LEFT JOIN summed s ON s.household_id = o.household_id AND s.session_id = o.id
WHERE o.household_id > :after AND o.household_id <= :until AND o.started_at >= :since
  AND o.started_at <= :now
  AND (o.counted_ms <> coalesce(s.counted_ms, 0) OR o.exempt_ms <> coalesce(s.exempt_ms, 0))
ORDER BY o.household_id, o.id
LIMIT :at_most

-- name: days_beyond_the_clock
-- Children's days that hold more than the part of them that has passed. Adults may play on many
-- devices at once; a day on which a profile still was an adult's is left out.
-- Parameters, index and budget: see days_against_slices.
SELECT format('profile %s, day from %s: %s ms in %s ms', d.profile_id, d.starts_at,
              d.counted_ms + d.exempt_ms, passed.ms) AS example,
       count(*) OVER () AS total
FROM viewing.days d
JOIN accounts.profiles p ON p.household_id = d.household_id AND p.id = d.profile_id AND p.is_child
CROSS JOIN LATERAL (
    -- A minute of slack, because time has gone on since now was read.
    SELECT floor(1000 * extract(epoch FROM
        least(CAST(:now AS timestamptz) + interval '1 minute', d.ends_at) - d.starts_at)) AS ms
) passed
WHERE d.household_id > :after AND d.household_id <= :until AND d.starts_at <= :now
  AND d.counted_ms + d.exempt_ms > passed.ms
  AND NOT EXISTS (
      SELECT FROM viewing.pub_slices s
      JOIN viewing.sessions o ON o.household_id = s.household_id AND o.id = s.session_id
      WHERE s.household_id = d.household_id AND s.profile_id = d.profile_id
        AND s.day_starts_at = d.starts_at AND NOT o.is_child)
ORDER BY d.household_id, d.profile_id, d.starts_at
LIMIT :at_most

-- name: sessions_beyond_the_clock
-- Sessions that hold more than their own length.
-- Parameters, index and budget: see days_against_slices.
SELECT format('session %s: %s ms in %s ms', o.id, o.counted_ms + o.exempt_ms, lasted.ms)
           AS example,
       count(*) OVER () AS total
FROM viewing.sessions o
CROSS JOIN LATERAL (
    SELECT floor(1000 * extract(epoch FROM
        coalesce(o.ended_at, o.last_accepted_at) - o.started_at)) AS ms
) lasted
WHERE o.household_id > :after AND o.household_id <= :until
  AND o.counted_ms + o.exempt_ms > lasted.ms + 1000
ORDER BY o.household_id, o.id
LIMIT :at_most

-- name: two_open_sessions
-- Children with more than one open session.
-- Parameters, index and budget: see days_against_slices.
SELECT format('profile %s: sessions %s', o.profile_id,
              string_agg(CAST(o.id AS text), ', ' ORDER BY o.id)) AS example,
       count(*) OVER () AS total
FROM viewing.sessions o
WHERE o.household_id > :after AND o.household_id <= :until AND o.ended_at IS NULL AND o.is_child
GROUP BY o.household_id, o.profile_id
HAVING count(*) > 1
ORDER BY o.household_id, o.profile_id
LIMIT :at_most

-- name: breaks_between_days
-- Days that don't begin where the one before ended.
-- Parameters, index and budget: see days_against_slices.
SELECT format('profile %s, day from %s: the one before ended at %s', c.profile_id, c.starts_at,
              c.ended_at) AS example,
       count(*) OVER () AS total
FROM (
    SELECT d.household_id, d.profile_id, d.starts_at,
           lag(d.ends_at) OVER (PARTITION BY d.household_id, d.profile_id ORDER BY d.starts_at)
               AS ended_at
    FROM viewing.days d
    WHERE d.household_id > :after AND d.household_id <= :until AND d.starts_at <= :now
) c
WHERE c.ended_at <> c.starts_at
ORDER BY c.household_id, c.profile_id, c.starts_at
LIMIT :at_most

-- name: rows_of_the_future
-- Days and sessions that a clock which was wrong has stored ahead of now.
-- Parameters, index and budget: see days_against_slices.
SELECT ahead.example, count(*) OVER () AS total
FROM (
    SELECT d.household_id, format('profile %s, day from %s', d.profile_id, d.starts_at) AS example
    FROM viewing.days d
    WHERE d.household_id > :after AND d.household_id <= :until
      AND d.starts_at > CAST(:now AS timestamptz) + interval '1 minute'
    UNION ALL
    SELECT o.household_id, format('session %s, last heard at %s', o.id, o.last_accepted_at)
    FROM viewing.sessions o
    WHERE o.household_id > :after AND o.household_id <= :until
      AND greatest(o.started_at, o.last_accepted_at, o.ended_at)
          > CAST(:now AS timestamptz) + interval '1 minute'
) ahead
ORDER BY ahead.household_id, ahead.example
LIMIT :at_most

-- name: slices_outside_their_day
-- Slices of a day that isn't there, that reach out of it, or that hold more than their length.
-- Parameters, index and budget: see days_against_slices.
SELECT format('session %s, slice %s: %s to %s, %s ms, day from %s', s.session_id, s.ordinal,
              s.starts_at, s.ends_at, s.credited_ms, s.day_starts_at) AS example,
       count(*) OVER () AS total
FROM viewing.pub_slices s
LEFT JOIN viewing.days d ON d.household_id = s.household_id AND d.profile_id = s.profile_id
                        AND d.starts_at = s.day_starts_at
WHERE s.household_id > :after AND s.household_id <= :until
  AND (d.starts_at IS NULL OR s.starts_at < d.starts_at OR s.ends_at > d.ends_at
       OR s.credited_ms < 0
       OR s.ends_at - s.starts_at < s.credited_ms * interval '1 millisecond')
ORDER BY s.household_id, s.session_id, s.ordinal
LIMIT :at_most

-- name: days_against_grants
-- Days whose sums of grants differ from the ledger, and ledgers of a day that isn't there.
-- Two entries of one millisecond have no order, so the floor may be that of either.
-- Parameters, index and budget: see days_against_slices.
WITH entered AS (
    SELECT g.household_id, g.profile_id, g.day_starts_at,
           coalesce(sum(g.minutes), 0) AS minutes,
           greatest(0, sum(CASE WHEN g.minutes IS NOT NULL THEN 0
                                WHEN g.cancels_id IS NULL THEN 1 ELSE -1 END)) AS unlimited,
           max(g.created_at) AS last_at
    FROM viewing.grants g
    WHERE g.household_id > :after AND g.household_id <= :until AND g.day_starts_at >= :since
    GROUP BY g.household_id, g.profile_id, g.day_starts_at
), kept AS (
    SELECT d.household_id, d.profile_id, d.starts_at, d.granted_minutes, d.unlimited_grants,
           d.floor_ms
    FROM viewing.days d
    WHERE d.household_id > :after AND d.household_id <= :until AND d.starts_at >= :since
)
SELECT format('profile %s, day from %s: the day holds %s minutes and %s times unlimited, '
              'the ledger %s and %s', coalesce(d.profile_id, e.profile_id),
              coalesce(d.starts_at, e.day_starts_at), d.granted_minutes, d.unlimited_grants,
              e.minutes, e.unlimited) AS example,
       count(*) OVER () AS total
FROM kept d
FULL JOIN entered e ON e.household_id = d.household_id AND e.profile_id = d.profile_id
                   AND e.day_starts_at = d.starts_at
WHERE d.starts_at IS NULL
   OR d.granted_minutes <> coalesce(e.minutes, 0)
   OR d.unlimited_grants <> coalesce(e.unlimited, 0)
   OR (e.last_at IS NULL AND d.floor_ms IS NOT NULL)
   OR (e.last_at IS NOT NULL AND NOT EXISTS (
          SELECT FROM viewing.grants g
          WHERE g.household_id = e.household_id AND g.profile_id = e.profile_id
            AND g.day_starts_at = e.day_starts_at AND g.created_at = e.last_at
            AND g.floor_ms IS NOT DISTINCT FROM d.floor_ms))
ORDER BY coalesce(d.household_id, e.household_id), example
LIMIT :at_most

-- name: rows_without_owner
-- Rows of profiles and households that are gone. Foreign keys hold the rest.
-- Parameters, index and budget: see days_against_slices.
WITH owned AS (
    SELECT DISTINCT 'viewing.viewers' AS "table", household_id, profile_id FROM viewing.viewers
    UNION ALL
    SELECT DISTINCT 'viewing.days', household_id, profile_id FROM viewing.days
    UNION ALL
    SELECT DISTINCT 'viewing.sessions', household_id, profile_id FROM viewing.sessions
    UNION ALL
    SELECT DISTINCT 'viewing.slices', household_id, profile_id FROM viewing.slices
    UNION ALL
    SELECT DISTINCT 'viewing.grants', household_id, profile_id FROM viewing.grants
    UNION ALL
    SELECT DISTINCT 'viewing.decisions', household_id, profile_id FROM viewing.decisions
    UNION ALL
    SELECT DISTINCT 'viewing.requests', household_id, profile_id FROM viewing.requests
    UNION ALL
    SELECT DISTINCT 'viewing.locks', household_id, profile_id FROM viewing.locks
    UNION ALL
    SELECT DISTINCT 'viewing.overrides', household_id, profile_id FROM viewing.overrides
    UNION ALL
    SELECT DISTINCT 'accounts.devices', household_id, profile_id FROM accounts.devices
    WHERE profile_id IS NOT NULL
), lost AS (
    SELECT o."table", o.household_id, format('profile %s', o.profile_id) AS owner
    FROM owned o
    LEFT JOIN accounts.profiles p ON p.household_id = o.household_id AND p.id = o.profile_id
    WHERE o.household_id > :after AND o.household_id <= :until AND p.id IS NULL
    UNION ALL
    SELECT h."table", h.household_id, format('household %s', h.household_id)
    FROM (SELECT DISTINCT 'accounts.users' AS "table", household_id FROM accounts.users
          UNION ALL
          SELECT DISTINCT 'viewing.title_overrides', household_id FROM viewing.title_overrides
          UNION ALL
          SELECT DISTINCT 'viewing.report_plans', household_id FROM viewing.report_plans
          UNION ALL
          SELECT DISTINCT 'catalogue.titles', household_id FROM catalogue.titles) h
    LEFT JOIN accounts.households k ON k.household_id = h.household_id
    WHERE h.household_id > :after AND h.household_id <= :until AND k.household_id IS NULL
)
SELECT format('%s: %s', lost."table", lost.owner) AS example, count(*) OVER () AS total
FROM lost
ORDER BY lost.household_id, lost."table", lost.owner
LIMIT :at_most

-- name: profiles_without_policy
-- Profiles whose heartbeats can't be settled, because they have no row of their own to lock.
-- Parameters, index and budget: see days_against_slices.
SELECT format('profile %s', p.id) AS example, count(*) OVER () AS total
FROM accounts.profiles p
LEFT JOIN viewing.viewers v ON v.household_id = p.household_id AND v.profile_id = p.id
WHERE p.household_id > :after AND p.household_id <= :until AND v.profile_id IS NULL
ORDER BY p.household_id, p.id
LIMIT :at_most

-- name: silent_sessions
-- Open sessions that were to be closed long ago: max(300 s, grace + 60 s) after they were heard
-- last, and ten minutes more for the clean-up to come by. Also whether a service is connected.
-- Parameters: now, at_most. Index: sessions_open (whole, small).
SELECT format('session %s, last heard at %s', o.id, o.last_accepted_at) AS example,
       count(*) OVER () AS total
FROM viewing.sessions o
LEFT JOIN viewing.viewers v ON v.household_id = o.household_id AND v.profile_id = o.profile_id
WHERE o.ended_at IS NULL
  AND o.last_accepted_at < CAST(:now AS timestamptz) - interval '10 minutes'
      - greatest(300, coalesce(v.grace_seconds, 0) + 60) * interval '1 second'
ORDER BY o.last_accepted_at
LIMIT :at_most

-- name: details_past_their_time
-- Sessions that ended before details are kept. Parameter: before. Index: none; one pass.
SELECT count(*) AS total, min(o.ended_at) AS oldest_at
FROM viewing.sessions o
WHERE o.ended_at < :before

-- name: list_indexes
-- Indexes of our schemas, and whether each can be used. Parameter: schemas.
SELECT format('%s.%s', n.nspname, i.relname) AS name, x.indisvalid AND x.indisready AS is_valid
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname = ANY (CAST(:schemas AS text[]))

-- name: list_privileges
-- What this role may do with each of our tables. Parameter: schemas.
SELECT format('%s.%s', n.nspname, c.relname) AS name,
       has_table_privilege(c.oid, 'SELECT') AS may_select,
       has_table_privilege(c.oid, 'INSERT') AS may_insert,
       has_table_privilege(c.oid, 'UPDATE') AS may_update,
       has_table_privilege(c.oid, 'DELETE') AS may_delete,
       has_table_privilege(c.oid, 'TRUNCATE') AS may_truncate,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY (CAST(:schemas AS text[]))
ORDER BY name

-- name: count_connections
-- How many connections the server takes, how many it has, and how many services listen.
SELECT CAST(current_setting('max_connections') AS integer) AS max_connections,
       CAST(current_setting('superuser_reserved_connections') AS integer)
           + coalesce(CAST(current_setting('reserved_connections', true) AS integer), 0)
           AS reserved,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database())
           AS database_limit,
       count(*) FILTER (WHERE a.backend_type = 'client backend') AS in_use,
       count(*) FILTER (WHERE a.datname = current_database()
                          AND a.application_name = 'watchkeeper-listener') AS services
FROM pg_stat_activity a

-- name: long_transactions
-- Transactions that began long ago and hold back the clean-up of dead rows.
-- Parameters: before, at_most.
SELECT format('process %s (%s), %s, since %s', a.pid, coalesce(nullif(a.application_name, ''),
              'without a name'), a.state, a.xact_start) AS example,
       count(*) OVER () AS total
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
  AND a.backend_type = 'client backend' AND a.xact_start < :before
ORDER BY a.xact_start
LIMIT :at_most

-- name: dead_rows
-- Tables with many dead rows, and those that nothing cleans up. Parameter: schemas.
SELECT format('%s.%s', s.schemaname, s.relname) AS name, s.n_dead_tup AS dead,
       s.n_live_tup AS live, s.last_autovacuum,
       current_setting('autovacuum') = 'off'
           OR coalesce('autovacuum_enabled=false' = ANY (c.reloptions), false)
           OR coalesce('autovacuum_enabled=off' = ANY (c.reloptions), false) AS is_off
FROM pg_stat_user_tables s
JOIN pg_class c ON c.oid = s.relid
WHERE s.schemaname = ANY (CAST(:schemas AS text[]))
ORDER BY name

-- name: database_size
-- How large the database is, in bytes.
SELECT pg_database_size(current_database()) AS size_bytes

-- name: list_zones
-- The zones of households, and their offsets at some instants as the server knows them; an offset
-- is null for a zone that the server doesn't know. Parameter: instants.
SELECT h.timezone, count(*) AS households,
       (SELECT array_agg(extract(epoch FROM (i.at AT TIME ZONE h.timezone)
                                 - (i.at AT TIME ZONE 'UTC')) ORDER BY i.at)
        FROM unnest(CAST(:instants AS timestamptz[])) AS i (at)
        WHERE EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = h.timezone)) AS offsets
FROM accounts.households h
GROUP BY h.timezone
ORDER BY h.timezone

-- name: depends_on_secrets
-- Whether anything stored would be worthless without the secrets file.
SELECT EXISTS (SELECT FROM accounts.pins)
       OR EXISTS (SELECT FROM accounts.devices WHERE pairing_id IS NOT NULL) AS is_needed
