-- name: find_history_subject
-- The profile whose history is asked for, its household's time, and the newest day that it began:
-- they say which date is today. Parameters: household_id, profile_id, now.
-- Index: primary keys behind the accounts' views, days_pkey backwards. Budget: one statement.
SELECT h.timezone, h.reset_hour, h.weekend_days, last.day AS last_day
FROM accounts.pub_profiles p
JOIN accounts.pub_households h ON h.household_id = p.household_id
LEFT JOIN LATERAL (
    SELECT to_jsonb(d) AS day
    FROM viewing.days d
    WHERE d.household_id = p.household_id AND d.profile_id = p.profile_id AND d.starts_at <= :now
    ORDER BY d.starts_at DESC LIMIT 1
) last ON true
WHERE p.household_id = :household_id AND p.profile_id = :profile_id

-- name: read_history
-- What each session watched of each title on each date of a range; a slice belongs to the date of
-- its viewing day, so a session that passes a reset shows on both dates with its shares. A session
-- that was credited nothing shows on the date on which it began. Dates are given whole, newest
-- first, until at_most entries are reached; left_out_on is the first date that wasn't given, null
-- when all were. A row without a session is what its date came to, counted or exempt: the sum of
-- its entries, and all that is left of them when detail was forgotten. Slices are added up day by
-- day, and the session of each given entry is looked up by its key (the LIMIT keeps it so): the
-- planner can't know how many there are, and would sometimes read whole tables.
-- Parameters: household_id, profile_id, first_on, last_on (dates, inclusive), since and until
-- (instants between which every day of the range starts), at_most (entries).
-- Index: days_pkey, slices_by_day, sessions_by_start, sessions_open, sessions_pkey, titles_pk.
-- Budget: one statement a page.
WITH shown AS MATERIALIZED (
    SELECT d.starts_at, d.ends_at, d.label, d.counted_ms, d.exempt_ms
    FROM viewing.days d
    WHERE d.household_id = :household_id AND d.profile_id = :profile_id
      AND d.starts_at >= :since AND d.starts_at < :until
      AND d.label BETWEEN :first_on AND :last_on
),
watched AS MATERIALIZED (
    SELECT d.label, p.session_id, p.title_id, p.kind,
           min(p.started_at) AS started_at, sum(p.credited_ms)::bigint AS credited_ms
    FROM shown d
    CROSS JOIN LATERAL (
        SELECT session_id, title_id, kind,
               min(starts_at) AS started_at, sum(credited_ms) AS credited_ms
        FROM viewing.pub_slices
        WHERE household_id = :household_id AND profile_id = :profile_id
          AND day_starts_at = d.starts_at
        GROUP BY session_id, title_id, kind
    ) p
    GROUP BY d.label, p.session_id, p.title_id, p.kind
    UNION ALL
    SELECT d.label, s.id, s.title_id, 'counted', s.started_at, 0
    FROM viewing.sessions s
    JOIN shown d ON s.started_at >= d.starts_at AND s.started_at < d.ends_at
    WHERE s.household_id = :household_id AND s.profile_id = :profile_id
      AND s.started_at >= (SELECT min(starts_at) FROM shown)
      AND s.started_at < (SELECT max(ends_at) FROM shown)
      AND s.slice_count = 0
),
filled AS (
    SELECT label, sum(count(*)) OVER (ORDER BY label DESC) - count(*) AS entries_before
    FROM watched
    GROUP BY label
),
cut AS (
    SELECT max(label) AS left_out_on FROM filled WHERE entries_before >= :at_most
)
SELECT w.label, w.session_id, t.name AS title, w.started_at, w.credited_ms,
       w.kind = 'exempt' AS is_educational, s.device_type,
       coalesce(d.name, s.device_name) AS device_name, cut.left_out_on
FROM cut
JOIN watched w ON cut.left_out_on IS NULL OR w.label > cut.left_out_on
CROSS JOIN LATERAL (
    SELECT s.device_id, s.device_type, s.device_name
    FROM viewing.sessions s
    WHERE s.household_id = :household_id AND s.id = w.session_id
    LIMIT 1
) s
LEFT JOIN catalogue.pub_titles t
    ON t.id = w.title_id AND (t.household_id IS NULL OR t.household_id = :household_id)
LEFT JOIN accounts.pub_devices d
    ON d.household_id = :household_id AND d.device_id = s.device_id
UNION ALL
SELECT t.label, NULL, NULL, NULL, t.watched_ms, t.is_educational, NULL, NULL, cut.left_out_on
FROM cut
JOIN (
    SELECT d.label, sum(d.counted_ms)::bigint AS watched_ms, false AS is_educational
    FROM shown d GROUP BY d.label
    UNION ALL
    SELECT d.label, sum(d.exempt_ms)::bigint, true FROM shown d GROUP BY d.label
) t ON cut.left_out_on IS NULL OR t.label > cut.left_out_on

-- name: list_children
-- The children of a household with their limits, the household's time, and the newest day that
-- each began. A household without children has one row, whose profile is null.
-- Parameters: household_id, now.
-- Index: primary keys behind the accounts' views, viewers_pkey, overrides_pkey, days_pkey backwards.
-- Budget: one statement for any number of children.
SELECT h.timezone, h.reset_hour, h.weekend_days, child.*, last.day AS last_day
FROM accounts.pub_households h
LEFT JOIN LATERAL (
    SELECT p.name AS profile_name, v.*
    FROM accounts.pub_profiles p
    JOIN viewing.policies v ON v.household_id = p.household_id AND v.profile_id = p.profile_id
    WHERE p.household_id = h.household_id AND p.is_child
) child ON true
LEFT JOIN LATERAL (
    SELECT to_jsonb(d) AS day
    FROM viewing.days d
    WHERE d.household_id = h.household_id AND d.profile_id = child.profile_id
      AND d.starts_at <= :now
    ORDER BY d.starts_at DESC LIMIT 1
) last ON true
WHERE h.household_id = :household_id
ORDER BY child.profile_name, child.profile_id

-- name: read_week
-- The stored days of some children whose label lies in a range of dates, and the titles that each
-- of them watched most (counted and exempt; those that the household doesn't know count as one).
-- Parameters: household_id, profiles uuid[], first_on, last_on (dates, inclusive), since and until
-- (instants between which every day of the range starts), titles (how many a child).
-- Index: days_pkey, slices_by_day, sessions_open. Budget: one statement for any number of children.
SELECT k.profile_id, total.days, top.titles
FROM unnest(CAST(:profiles AS uuid[])) AS k (profile_id)
CROSS JOIN LATERAL (
    SELECT jsonb_agg(to_jsonb(d) ORDER BY d.starts_at) AS days,
           array_agg(d.starts_at) AS starts
    FROM viewing.days d
    WHERE d.household_id = :household_id AND d.profile_id = k.profile_id
      AND d.starts_at >= :since AND d.starts_at < :until
      AND d.label BETWEEN :first_on AND :last_on
) total
CROSS JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(m.name, m.watched_ms)
                     ORDER BY m.watched_ms DESC, m.name) AS titles
    FROM (
        SELECT t.name, sum(p.credited_ms)::bigint AS watched_ms
        FROM unnest(total.starts) AS d (starts_at)
        JOIN viewing.pub_slices p
            ON p.household_id = :household_id AND p.profile_id = k.profile_id
            AND p.day_starts_at = d.starts_at
        LEFT JOIN catalogue.pub_titles t
            ON t.id = p.title_id
            AND (t.household_id IS NULL OR t.household_id = :household_id)
        GROUP BY t.id, t.name
        ORDER BY watched_ms DESC, t.name
        LIMIT :titles
    ) m
) top
