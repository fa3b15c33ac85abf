-- name: list_devices_used_alone
-- Devices on which a profile played and nobody else of the household did, as far as sessions tell.
-- Parameters: household_id, profile_id. Index: sessions_by_start, sessions_pkey (one household).
SELECT s.device_id
FROM viewing.sessions s
WHERE s.household_id = :household_id AND s.profile_id = :profile_id
EXCEPT
SELECT s.device_id
FROM viewing.sessions s
WHERE s.household_id = :household_id AND s.profile_id <> :profile_id

-- name: list_titles_watched_alone
-- Titles that a profile watched and nobody else of the household did, without those of which a
-- guardian said something. Parameters: household_id, profile_id.
-- Index: sessions_pkey, slices_pkey (one household), title_overrides_pkey.
WITH watched AS MATERIALIZED (
    SELECT s.profile_id, s.title_id
    FROM viewing.sessions s WHERE s.household_id = :household_id
    UNION
    SELECT s.profile_id, s.open_title_id
    FROM viewing.sessions s WHERE s.household_id = :household_id
    UNION
    SELECT p.profile_id, p.title_id
    FROM viewing.slices p WHERE p.household_id = :household_id
)
SELECT w.title_id FROM watched w WHERE w.profile_id = :profile_id AND w.title_id IS NOT NULL
EXCEPT
SELECT w.title_id FROM watched w WHERE w.profile_id <> :profile_id
EXCEPT
SELECT o.title_id FROM viewing.title_overrides o WHERE o.household_id = :household_id
