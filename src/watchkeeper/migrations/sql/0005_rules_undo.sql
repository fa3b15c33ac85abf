-- Undoes 0005: the rules of families go, with what was decided by them.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

DROP VIEW viewing.policies;
DROP FUNCTION viewing.load_viewers;

-- Locks the viewers in key order and reads all that the rules need about them.
-- Two statements in one call: under READ COMMITTED the second sees what a transaction that held
-- the locks before us committed, which a single statement's snapshot would not.
CREATE FUNCTION viewing.load_viewers(
    p_households uuid[], p_profiles uuid[], p_sessions uuid[], p_devices text[],
    p_start_keys text[], p_titles uuid[], p_title_sources text[], p_title_ids text[],
    p_sign_ins uuid[], p_pairings uuid[], p_now timestamptz
) RETURNS TABLE (
    "position" bigint, credential text, is_device_known boolean, device_name text,
    title_id uuid, titles jsonb, days jsonb, sessions jsonb, named jsonb
) LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
    PERFORM 1
    FROM viewing.viewers v
    JOIN (SELECT DISTINCT h, p FROM unnest(p_households, p_profiles) AS k (h, p)) k
        ON v.household_id = k.h AND v.profile_id = k.p
    ORDER BY v.household_id, v.profile_id
    FOR NO KEY UPDATE OF v;

    RETURN QUERY
    SELECT k.n,
           CASE WHEN k.sign_in IS NOT NULL THEN accounts.pub_sign_in_state(k.sign_in)
                ELSE accounts.pub_pairing_state(k.h, k.device, k.pairing) END,
           device.device_id IS NOT NULL,
           device.name,
           title.id,
           known.titles,
           day.rows,
           open.rows,
           coalesce(by_id.row, by_key.row)
    FROM unnest(p_households, p_profiles, p_sessions, p_devices, p_start_keys, p_titles,
                p_title_sources, p_title_ids, p_sign_ins, p_pairings)
         WITH ORDINALITY
         AS k (h, p, session, device, start_key, title, source, external, sign_in, pairing, n)
    LEFT JOIN viewing.viewers v ON v.household_id = k.h AND v.profile_id = k.p
    LEFT JOIN accounts.pub_devices device
        ON device.household_id = k.h AND device.device_id = k.device
    LEFT JOIN LATERAL (
        SELECT t.id FROM catalogue.pub_titles t
        WHERE k.title IS NULL AND t.source = k.source AND t.external_id = k.external
          AND (t.household_id IS NULL OR t.household_id = k.h)
        ORDER BY t.household_id NULLS FIRST LIMIT 1
    ) found ON true
    CROSS JOIN LATERAL (SELECT coalesce(k.title, found.id) AS id) title
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(to_jsonb(s)) AS rows, min(s.last_accepted_at) AS since,
               array_agg(s.title_id) AS titles
        FROM viewing.sessions s
        WHERE s.household_id = k.h AND s.profile_id = k.p AND s.ended_at IS NULL
          AND (s.is_child OR s.device_id = k.device OR s.id = k.session)
    ) open ON true
    LEFT JOIN LATERAL (
        -- The profile is compared outside: here it would lead the planner to another index, in
        -- which a child's whole past stands.
        SELECT to_jsonb(s) AS row, s.profile_id
        FROM viewing.sessions s
        WHERE s.household_id = k.h AND s.id = k.session
        LIMIT 1
    ) by_id ON by_id.profile_id = k.p
    LEFT JOIN LATERAL (
        SELECT to_jsonb(s) AS row
        FROM viewing.sessions s
        WHERE k.session IS NULL
          AND s.household_id = k.h AND s.profile_id = k.p
          AND s.device_id = k.device AND s.start_key = k.start_key
        ORDER BY s.started_at DESC LIMIT 1
    ) by_key ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(t.id, CASE o.counts WHEN 'never' THEN true
                                                    WHEN 'always' THEN false
                                                    ELSE t.is_educational END) AS titles
        FROM catalogue.pub_titles t
        LEFT JOIN viewing.title_overrides o ON o.household_id = k.h AND o.title_id = t.id
        WHERE t.id = ANY (open.titles || title.id)
          AND (t.household_id IS NULL OR t.household_id = k.h)
    ) known ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(to_jsonb(d) ORDER BY d.starts_at) AS rows
        FROM viewing.days d
        WHERE d.household_id = k.h AND d.profile_id = k.p
          AND (d.ends_at > open.since - (greatest(90, v.grace_seconds + 45) * interval '1 second')
               OR d.ends_at > p_now
               OR d.starts_at = (SELECT max(l.starts_at) FROM viewing.days l
                                 WHERE l.household_id = k.h AND l.profile_id = k.p)
               OR d.starts_at = (SELECT max(l.starts_at) FROM viewing.days l
                                 WHERE l.household_id = k.h AND l.profile_id = k.p
                                   AND l.starts_at <= p_now))
    ) day ON true;
END $$;

-- Stores what a batch of settlements changed; rows carry absolute values, so writing them twice
-- is harmless. Sessions are ended before new ones are inserted, so that the index of open
-- sessions never sees two. Returns the days as they now stand.
-- PostgreSQL takes any list of records for a hundred and would rather read a table of some thousand
-- sessions as a whole, for every heartbeat, than look one up; so reading as a whole is ruled out.
CREATE OR REPLACE FUNCTION viewing.store_settlements(p jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
AS $$
DECLARE
    stored jsonb;
BEGIN
    IF p ? 'devices' THEN
        PERFORM accounts.pub_register_devices(
            ARRAY(SELECT (d->>'household_id')::uuid FROM jsonb_array_elements(p->'devices') d),
            ARRAY(SELECT d->>'device_id' FROM jsonb_array_elements(p->'devices') d),
            ARRAY(SELECT d->>'device_type' FROM jsonb_array_elements(p->'devices') d),
            (p->>'now')::timestamptz);
    END IF;
    IF p ? 'titles' THEN
        PERFORM catalogue.pub_add_titles(
            ARRAY(SELECT (t->>'id')::uuid FROM jsonb_array_elements(p->'titles') t),
            ARRAY(SELECT (t->>'household_id')::uuid FROM jsonb_array_elements(p->'titles') t),
            ARRAY(SELECT t->>'source' FROM jsonb_array_elements(p->'titles') t),
            ARRAY(SELECT t->>'external_id' FROM jsonb_array_elements(p->'titles') t),
            ARRAY(SELECT t->>'name' FROM jsonb_array_elements(p->'titles') t),
            (p->>'now')::timestamptz);
    END IF;

    WITH written AS (
        INSERT INTO viewing.days AS d
        SELECT * FROM jsonb_populate_recordset(NULL::viewing.days, p->'days')
        ON CONFLICT (household_id, profile_id, starts_at) DO UPDATE SET
            limit_minutes = excluded.limit_minutes,
            counted_ms = excluded.counted_ms,
            exempt_ms = excluded.exempt_ms,
            written_off_ms = excluded.written_off_ms,
            forgiven_ms = excluded.forgiven_ms,
            granted_minutes = excluded.granted_minutes,
            floor_ms = excluded.floor_ms,
            unlimited_grants = excluded.unlimited_grants
        RETURNING d.*
    )
    SELECT jsonb_agg(to_jsonb(written)) INTO stored FROM written;

    UPDATE viewing.sessions s SET
        device_name = r.device_name, title_id = r.title_id, last_accepted_at = r.last_accepted_at,
        state = r.state, seq = r.seq, played_ms = r.played_ms, paused_ms = r.paused_ms,
        bucket_ms = r.bucket_ms, pause_counted_ms = r.pause_counted_ms,
        was_blocked = r.was_blocked, last_enforcement = r.last_enforcement,
        last_reason = r.last_reason, counted_ms = r.counted_ms, exempt_ms = r.exempt_ms,
        written_off_ms = r.written_off_ms, forgiven_ms = r.forgiven_ms,
        is_flagged = r.is_flagged, ended_at = r.ended_at, end_reason = r.end_reason,
        superseded_by_device_id = r.superseded_by_device_id,
        superseded_by_device_name = r.superseded_by_device_name, slice_count = r.slice_count,
        open_title_id = r.open_title_id, open_kind = r.open_kind,
        open_day_starts_at = r.open_day_starts_at, open_starts_at = r.open_starts_at,
        open_ends_at = r.open_ends_at, open_credited_ms = r.open_credited_ms
    FROM jsonb_populate_recordset(NULL::viewing.sessions, p->'changed_sessions') r
    WHERE s.household_id = r.household_id AND s.id = r.id;

    INSERT INTO viewing.sessions
    SELECT * FROM jsonb_populate_recordset(NULL::viewing.sessions, p->'new_sessions');

    INSERT INTO viewing.slices
    SELECT * FROM jsonb_populate_recordset(NULL::viewing.slices, p->'slices')
    ON CONFLICT (household_id, session_id, ordinal) DO UPDATE SET
        starts_at = excluded.starts_at, ends_at = excluded.ends_at,
        credited_ms = excluded.credited_ms;

    IF p ? 'decisions' THEN
        INSERT INTO viewing.decisions
        SELECT r.household_id, r.profile_id,
               coalesce((SELECT max(d.number) FROM viewing.decisions d
                         WHERE d.household_id = r.household_id
                           AND d.profile_id = r.profile_id), 0) + 1,
               r.decided_at, r.session_id, r.device_id, r.enforcement, r.reason, r.remaining_ms
        FROM jsonb_populate_recordset(NULL::viewing.decisions, p->'decisions') r;
        DELETE FROM viewing.decisions d
        USING jsonb_populate_recordset(NULL::viewing.decisions, p->'decisions') r
        WHERE d.household_id = r.household_id AND d.profile_id = r.profile_id
          AND d.number <= (SELECT max(l.number) FROM viewing.decisions l
                           WHERE l.household_id = r.household_id
                             AND l.profile_id = r.profile_id) - 50;
    END IF;
    RETURN stored;
END $$;

ALTER TABLE viewing.grants
    DROP COLUMN extends_window, DROP COLUMN extended_from, DROP COLUMN extended_until;
DROP TABLE viewing.locks;
DROP TABLE viewing.overrides;
ALTER TABLE viewing.days DROP COLUMN is_first_with_label, DROP COLUMN extensions;
ALTER TABLE viewing.viewers DROP COLUMN version, DROP COLUMN day_limits, DROP COLUMN windows;
