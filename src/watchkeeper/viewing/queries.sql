-- name: load_configurations
-- Policy, kind of profile and household time of many profiles, for the configuration cache; with
-- their version, and with the locks that a stretch of play may still meet.
-- Parameters: households uuid[], profiles uuid[] (pairs), locked_since (an instant).
-- Index: viewers_pkey, overrides_pkey, locks_pkey and the primary keys behind the accounts' views.
-- Budget: one statement for any number of profiles, at most once a minute for each.
SELECT v.*, p.name AS profile_name, p.is_child, h.timezone, h.reset_hour, h.weekend_days,
       (SELECT jsonb_agg(jsonb_build_array(l.locked_at, l.locked_until) ORDER BY l.locked_at)
        FROM viewing.locks l
        WHERE l.household_id = v.household_id AND l.profile_id = v.profile_id
          AND l.locked_until > :locked_since) AS locks
FROM unnest(CAST(:households AS uuid[]), CAST(:profiles AS uuid[])) AS k (h, p)
JOIN viewing.policies v ON v.household_id = k.h AND v.profile_id = k.p
JOIN accounts.pub_profiles p ON p.household_id = v.household_id AND p.profile_id = v.profile_id
JOIN accounts.pub_households h ON h.household_id = v.household_id

-- name: load_viewers
-- Locks the viewers in key order and reads their open sessions, the named session, the days that
-- may still be credited, and the classification of titles; also whether the caller's credential
-- still holds, and the version of what guardians decided, null for a profile that is gone.
-- Parameters: parallel arrays, one element a heartbeat, and now.
-- Index: primary keys, sessions_open, sessions_by_start_key. Budget: one statement a batch.
SELECT "position", version, credential, is_device_known, device_name, title_id, titles, days,
       sessions, named
FROM viewing.load_viewers(
    CAST(:households AS uuid[]), CAST(:profiles AS uuid[]), CAST(:sessions AS uuid[]),
    CAST(:devices AS text[]), CAST(:start_keys AS text[]), CAST(:titles AS uuid[]),
    CAST(:title_sources AS text[]), CAST(:title_ids AS text[]),
    CAST(:sign_ins AS uuid[]), CAST(:pairings AS uuid[]), CAST(:now AS timestamptz))
ORDER BY "position"

-- name: store_settlements
-- Stores the days, sessions, slices, decisions, devices and titles of a batch in one call.
-- Parameter: payload jsonb, rows by table. Returns the days as stored.
-- Index: primary keys. Budget: one statement a batch.
SELECT viewing.store_settlements(CAST(:payload AS jsonb)) AS days

-- name: lock_viewers
-- Locks the rows of some profiles of one household in key order, before anything about them is
-- changed. Parameters: household_id, profiles uuid[]. Index: viewers_pkey.
SELECT v.profile_id
FROM viewing.viewers v
WHERE v.household_id = :household_id AND v.profile_id = ANY (CAST(:profiles AS uuid[]))
ORDER BY v.household_id, v.profile_id
FOR NO KEY UPDATE

-- name: load_last_days
-- The days around an instant of some profiles of any households: the last that starts until then,
-- those that end after it, and the last one stored; with the version of what guardians decided.
-- A profile that is gone has no row. Parameters: households uuid[], profiles uuid[] (pairs), now.
-- Index: viewers_pkey, days_pkey. Budget: one statement for any number of profiles.
SELECT v.household_id, v.profile_id, v.version, d.days
FROM unnest(CAST(:households AS uuid[]), CAST(:profiles AS uuid[])) AS k (h, p)
JOIN viewing.viewers v ON v.household_id = k.h AND v.profile_id = k.p
CROSS JOIN LATERAL (
    SELECT jsonb_agg(to_jsonb(d) ORDER BY d.starts_at) AS days
    FROM viewing.days d
    WHERE d.household_id = k.h AND d.profile_id = k.p
      AND (d.ends_at > :now
           OR d.starts_at = (SELECT max(l.starts_at) FROM viewing.days l
                             WHERE l.household_id = k.h AND l.profile_id = k.p
                               AND l.starts_at <= :now)
           OR d.starts_at = (SELECT max(l.starts_at) FROM viewing.days l
                             WHERE l.household_id = k.h AND l.profile_id = k.p))
) d

-- name: list_silent_sessions
-- Open sessions of which nothing was heard for a while, for the reaper; oldest first.
-- Parameters: silent_since (an instant), at_most (rows). Index: sessions_open (whole, small).
SELECT s.household_id, s.profile_id, s.id, s.device_id
FROM viewing.sessions s
WHERE s.ended_at IS NULL AND s.last_accepted_at < :silent_since
ORDER BY s.last_accepted_at
LIMIT :at_most

-- name: close_open_sessions
-- Ends all open sessions of a profile where they stand, for instance when a child's profile
-- becomes an adult's. Parameters: household_id, profile_id. Index: sessions_open.
WITH kept AS (
    INSERT INTO viewing.slices
    SELECT household_id, id, slice_count - 1, profile_id, open_title_id, open_kind,
           open_day_starts_at, open_starts_at, open_ends_at, open_credited_ms
    FROM viewing.sessions
    WHERE household_id = :household_id AND profile_id = :profile_id
      AND ended_at IS NULL AND open_kind IS NOT NULL
    RETURNING session_id
)
UPDATE viewing.sessions s
SET ended_at = s.last_accepted_at, end_reason = 'ended', open_title_id = NULL, open_kind = NULL,
    open_day_starts_at = NULL, open_starts_at = NULL, open_ends_at = NULL, open_credited_ms = NULL
WHERE s.household_id = :household_id AND s.profile_id = :profile_id AND s.ended_at IS NULL
  AND (SELECT count(*) FROM kept) >= 0

-- name: find_session_profile
-- Whose session an id is, before the profile is locked. Parameters: household_id, session_id.
-- Index: sessions_pkey.
SELECT s.profile_id, s.device_id
FROM viewing.sessions s
WHERE s.household_id = :household_id AND s.id = :session_id

-- name: find_title_override
-- A title as a household sees it, with what the household says of it.
-- Parameters: household_id, title_id. Index: the catalogue's primary key, title_overrides_pkey.
SELECT t.id, t.name, t.is_educational, coalesce(o.counts, 'default') AS counts
FROM catalogue.pub_titles t
LEFT JOIN viewing.title_overrides o ON o.household_id = :household_id AND o.title_id = t.id
WHERE t.id = :title_id AND (t.household_id IS NULL OR t.household_id = :household_id)

-- name: lock_playing
-- A lock for some time, or another end for the one that holds now, or for the one that was set and
-- released in this very millisecond. Parameters: household_id, profile_id, now, until. Index: locks_pkey.
WITH changed AS (
    UPDATE viewing.locks l SET locked_until = :until
    WHERE l.household_id = :household_id AND l.profile_id = :profile_id
      AND l.locked_at <= :now AND l.locked_until > :now
    RETURNING l.locked_at
)
INSERT INTO viewing.locks (household_id, profile_id, locked_at, locked_until)
SELECT :household_id, :profile_id, :now, :until
WHERE NOT EXISTS (SELECT FROM changed)
ON CONFLICT (household_id, profile_id, locked_at) DO UPDATE SET locked_until = excluded.locked_until

-- name: unlock_playing
-- Ends the lock that holds now. Parameters: household_id, profile_id, now. Index: locks_pkey.
UPDATE viewing.locks l SET locked_until = :now
WHERE l.household_id = :household_id AND l.profile_id = :profile_id
  AND l.locked_at <= :now AND l.locked_until > :now
RETURNING l.locked_at

-- name: count_overrides
-- How many overrides of today and later a child has. Parameters: household_id, profile_id, today.
-- Index: overrides_pkey.
SELECT count(*) FROM viewing.overrides o
WHERE o.household_id = :household_id AND o.profile_id = :profile_id AND o.on_date >= :today
