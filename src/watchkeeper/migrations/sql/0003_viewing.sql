-- Viewing time: viewers, days, sessions, slices, grants, decisions.
-- household_id is first in every primary key and unique index: it is the distribution key.

CREATE SCHEMA viewing;

-- One row a profile: its policy, and the row that is locked while anything about it is settled.
CREATE TABLE viewing.viewers (
    household_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    weekday_limit_minutes smallint,
    weekend_limit_minutes smallint,
    educational_exempt boolean NOT NULL DEFAULT true,
    warning_first_minutes smallint NOT NULL DEFAULT 15,
    warning_second_minutes smallint NOT NULL DEFAULT 5,
    grace_seconds smallint NOT NULL DEFAULT 120,
    updated_at timestamptz NOT NULL,
    CONSTRAINT viewers_pkey PRIMARY KEY (household_id, profile_id),
    CONSTRAINT viewers_weekday_limit_on_grid CHECK (
        weekday_limit_minutes BETWEEN 15 AND 480 AND weekday_limit_minutes % 15 = 0),
    CONSTRAINT viewers_weekend_limit_on_grid CHECK (
        weekend_limit_minutes BETWEEN 15 AND 480 AND weekend_limit_minutes % 15 = 0),
    CONSTRAINT viewers_grace CHECK (grace_seconds BETWEEN 0 AND 900),
    CONSTRAINT viewers_warnings CHECK (
        warning_second_minutes BETWEEN 1 AND 240
        AND warning_first_minutes BETWEEN warning_second_minutes AND 240)
);

-- One row a viewing day of a profile; the bounds never change once the row is made.
CREATE TABLE viewing.days (
    household_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    label date NOT NULL,
    timezone text NOT NULL,
    reset_hour smallint NOT NULL,
    limit_minutes smallint,
    counted_ms bigint NOT NULL DEFAULT 0,
    exempt_ms bigint NOT NULL DEFAULT 0,
    written_off_ms bigint NOT NULL DEFAULT 0,
    forgiven_ms bigint NOT NULL DEFAULT 0,
    granted_minutes integer NOT NULL DEFAULT 0,
    floor_ms bigint,
    unlimited_grants smallint NOT NULL DEFAULT 0,
    CONSTRAINT days_pkey PRIMARY KEY (household_id, profile_id, starts_at),
    -- 20 to 44 hours, and more only where a zone leaves out a date or turns its clock by hours.
    CONSTRAINT days_length CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '72 hours'),
    CONSTRAINT days_amounts CHECK (
        counted_ms >= 0 AND exempt_ms >= 0 AND written_off_ms >= 0 AND forgiven_ms >= 0)
) WITH (fillfactor = 70);

-- One device playing for one profile. The open slice lives here, so that an ordinary heartbeat
-- writes this row and its day's and nothing else.
CREATE TABLE viewing.sessions (
    household_id uuid NOT NULL,
    id uuid NOT NULL,
    profile_id uuid NOT NULL,
    is_child boolean NOT NULL,
    device_id text NOT NULL,
    device_type text NOT NULL,
    device_name text,
    start_key text,
    title_id uuid,
    started_at timestamptz NOT NULL,
    last_accepted_at timestamptz NOT NULL,
    state text NOT NULL,
    has_counters boolean NOT NULL,
    seq bigint NOT NULL,
    played_ms bigint NOT NULL,
    paused_ms bigint NOT NULL,
    bucket_ms bigint NOT NULL,
    pause_counted_ms bigint NOT NULL,
    was_blocked boolean NOT NULL,
    last_enforcement text,
    last_reason text,
    counted_ms bigint NOT NULL,
    exempt_ms bigint NOT NULL,
    written_off_ms bigint NOT NULL,
    forgiven_ms bigint NOT NULL,
    is_flagged boolean NOT NULL,
    ended_at timestamptz,
    end_reason text,
    superseded_by_device_id text,
    superseded_by_device_name text,
    slice_count integer NOT NULL,
    open_title_id uuid,
    open_kind text,
    open_day_starts_at timestamptz,
    open_starts_at timestamptz,
    open_ends_at timestamptz,
    open_credited_ms bigint,
    CONSTRAINT sessions_pkey PRIMARY KEY (household_id, id),
    CONSTRAINT sessions_end CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CONSTRAINT sessions_open_slice CHECK (
        (open_kind IS NULL) = (open_starts_at IS NULL)
        AND (open_kind IS NULL OR (ended_at IS NULL AND slice_count > 0)))
) WITH (fillfactor = 60);

-- One stream per child: two open sessions of one child can't exist.
CREATE UNIQUE INDEX sessions_one_open_per_child ON viewing.sessions (household_id, profile_id)
    WHERE ended_at IS NULL AND is_child;
CREATE INDEX sessions_open ON viewing.sessions (household_id, profile_id) WHERE ended_at IS NULL;
CREATE INDEX sessions_by_start_key
    ON viewing.sessions (household_id, profile_id, device_id, start_key, started_at DESC)
    WHERE start_key IS NOT NULL;

-- Finished slices. The one that may still grow is in its session; pub_slices shows both.
CREATE TABLE viewing.slices (
    household_id uuid NOT NULL,
    session_id uuid NOT NULL,
    ordinal integer NOT NULL,
    profile_id uuid NOT NULL,
    title_id uuid,
    kind text NOT NULL,
    day_starts_at timestamptz NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    credited_ms bigint NOT NULL,
    CONSTRAINT slices_pkey PRIMARY KEY (household_id, session_id, ordinal),
    CONSTRAINT slices_kind CHECK (kind IN ('counted', 'exempt')),
    CONSTRAINT slices_order CHECK (ends_at >= starts_at)
);
CREATE INDEX slices_by_day ON viewing.slices (household_id, profile_id, day_starts_at);

CREATE VIEW viewing.pub_slices AS
    SELECT household_id, session_id, ordinal, profile_id, title_id, kind, day_starts_at,
           starts_at, ends_at, credited_ms
    FROM viewing.slices
    UNION ALL
    SELECT household_id, id, slice_count - 1, profile_id, open_title_id, open_kind,
           open_day_starts_at, open_starts_at, open_ends_at, open_credited_ms
    FROM viewing.sessions
    WHERE ended_at IS NULL AND open_kind IS NOT NULL;

-- The append-only ledger of granted and removed time; minutes NULL means unlimited for the day.
CREATE TABLE viewing.grants (
    household_id uuid NOT NULL,
    id uuid NOT NULL,
    profile_id uuid NOT NULL,
    day_starts_at timestamptz NOT NULL,
    minutes smallint,
    channel text NOT NULL,
    reason text,
    floor_ms bigint,
    cancels_id uuid,
    actor_user_id uuid,
    actor_device_id text,
    idempotency_key text,
    created_at timestamptz NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (household_id, id),
    CONSTRAINT grants_once_per_key UNIQUE (household_id, profile_id, idempotency_key),
    CONSTRAINT grants_cancelled_once UNIQUE (household_id, cancels_id),
    CONSTRAINT grants_channel CHECK (channel IN ('pin', 'remote', 'support'))
);
CREATE INDEX grants_by_day ON viewing.grants (household_id, profile_id, day_starts_at, created_at);

-- What a household says of a title, whatever the catalogue says: it always or never counts.
CREATE TABLE viewing.title_overrides (
    household_id uuid NOT NULL,
    title_id uuid NOT NULL,
    counts text NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT title_overrides_pkey PRIMARY KEY (household_id, title_id),
    CONSTRAINT title_overrides_counts CHECK (counts IN ('always', 'never'))
);

-- The last changes of what a child's players were told; at most 50 a profile are kept.
CREATE TABLE viewing.decisions (
    household_id uuid NOT NULL,
    profile_id uuid NOT NULL,
    number bigint NOT NULL,
    decided_at timestamptz NOT NULL,
    session_id uuid NOT NULL,
    device_id text NOT NULL,
    enforcement text NOT NULL,
    reason text,
    remaining_ms bigint,
    CONSTRAINT decisions_pkey PRIMARY KEY (household_id, profile_id, number)
);

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
CREATE FUNCTION viewing.store_settlements(p jsonb) RETURNS jsonb
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
