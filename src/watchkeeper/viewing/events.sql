-- name: find_reach
-- Which profiles each of many readers reaches, and whether its credential still holds; a reader
-- without credential stands for its whole household. Parameters: parallel arrays, one element a
-- reader: households uuid[], profiles uuid[] (null: all), devices text[], sign_ins uuid[],
-- pairings uuid[]. Index: viewers_pkey and the keys behind the accounts' functions.
-- Budget: one statement for any number of readers.
SELECT k.n AS "position",
       CASE WHEN k.sign_in IS NOT NULL THEN accounts.pub_sign_in_state(k.sign_in)
            WHEN k.pairing IS NOT NULL THEN accounts.pub_pairing_state(k.h, k.device, k.pairing)
       END AS credential,
       ARRAY(SELECT v.profile_id FROM viewing.viewers v
             WHERE v.household_id = k.h AND (k.p IS NULL OR v.profile_id = k.p)
             ORDER BY v.profile_id) AS profiles
FROM unnest(CAST(:households AS uuid[]), CAST(:profiles AS uuid[]), CAST(:devices AS text[]),
            CAST(:sign_ins AS uuid[]), CAST(:pairings AS uuid[]))
     WITH ORDINALITY AS k (h, p, device, sign_in, pairing, n)
ORDER BY k.n

-- name: store_settlements_and_notify
-- What `store_settlements` does, with the announcements of takeovers in the same round trip, so that
-- a heartbeat that takes over costs no statement more than another.
-- Parameters: payload jsonb; channels text[], payloads text[] (pairs). Budget: one statement a batch.
SELECT viewing.store_settlements(CAST(:payload AS jsonb)) AS days,
       (SELECT count(*)
        FROM unnest(CAST(:channels AS text[]), CAST(:payloads AS text[])) AS n (c, p)
        CROSS JOIN LATERAL pg_notify(n.c, n.p)) AS notified
