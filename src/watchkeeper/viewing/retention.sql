-- name: list_profiles_after
-- The next profiles in order of their key, for work that goes through all of them.
-- Parameters: household_id, profile_id (the last ones of before), at_most. Index: viewers_pkey.
SELECT v.household_id, v.profile_id
FROM viewing.viewers v
WHERE (v.household_id, v.profile_id) > (CAST(:household_id AS uuid), CAST(:profile_id AS uuid))
ORDER BY v.household_id, v.profile_id
LIMIT :at_most

-- name: find_kept_from
-- From when on the detail of some profiles is kept: the start of the viewing day that contains an
-- instant, so that no day is kept in part; the instant itself where no day contains it.
-- Parameters: households uuid[], profiles uuid[] (pairs), detail_from.
-- Index: days_pkey backwards. Budget: one statement for any number of profiles.
SELECT k.household_id, k.profile_id,
       CASE WHEN day.ends_at > :detail_from THEN day.starts_at ELSE :detail_from END AS keep_from
FROM unnest(CAST(:households AS uuid[]), CAST(:profiles AS uuid[])) AS k (household_id, profile_id)
LEFT JOIN LATERAL (
    SELECT d.starts_at, d.ends_at
    FROM viewing.days d
    WHERE d.household_id = k.household_id AND d.profile_id = k.profile_id
      AND d.starts_at <= :detail_from
    ORDER BY d.starts_at DESC LIMIT 1
) day ON true
