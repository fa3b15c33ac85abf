-- name: lock_due_plans
-- The plans that are due, oldest first, each with its household's time, the newest day that each
-- child has begun, and when the longest unheard open session was heard last. Plans that another
-- process looks at are left to it. A household that is gone has no time zone.
-- Parameters: now, at_most (plans). Index: report_plans_look_at, primary keys behind the
-- accounts' views, days_pkey backwards, sessions_open. Budget: one statement for at_most plans.
SELECT p.household_id, p.since, p.next_week_on, h.timezone, h.reset_hour, h.weekend_days,
       coalesce(child.last_days, '[]'::jsonb) AS last_days, open.heard_at
FROM (
    SELECT household_id, since, next_week_on, look_at
    FROM viewing.report_plans
    WHERE look_at <= :now
    ORDER BY look_at
    LIMIT :at_most
    FOR UPDATE SKIP LOCKED
) p
LEFT JOIN accounts.pub_households h ON h.household_id = p.household_id
LEFT JOIN LATERAL (
    SELECT jsonb_agg(to_jsonb(last)) AS last_days
    FROM accounts.pub_profiles c
    LEFT JOIN LATERAL (
        SELECT *
        FROM viewing.days d
        WHERE d.household_id = p.household_id AND d.profile_id = c.profile_id
          AND d.starts_at <= :now
        ORDER BY d.starts_at DESC LIMIT 1
    ) last ON true
    WHERE c.household_id = p.household_id AND c.is_child
) child ON true
LEFT JOIN LATERAL (
    SELECT min(s.last_accepted_at) AS heard_at
    FROM viewing.sessions s
    JOIN accounts.pub_profiles c
        ON c.household_id = s.household_id AND c.profile_id = s.profile_id AND c.is_child
    WHERE s.household_id = p.household_id AND s.ended_at IS NULL
) open ON true
ORDER BY p.look_at

-- name: store_plans
-- Which week each household's next report is about, and when to look at it.
-- Parameters: parallel arrays households uuid[], weeks date[], looks timestamptz[].
-- Index: report_plans_pkey. Budget: one statement for any number.
UPDATE viewing.report_plans p
SET next_week_on = k.week, look_at = k.look
FROM unnest(CAST(:households AS uuid[]), CAST(:weeks AS date[]), CAST(:looks AS timestamptz[]))
    AS k (household, week, look)
WHERE p.household_id = k.household

-- name: add_plan
-- A household that got a child is reported from the week of `since` on, unless it is already.
-- Parameters: household_id, since. Index: report_plans_pkey.
INSERT INTO viewing.report_plans (household_id, since, look_at)
VALUES (:household_id, :since, '-infinity')
ON CONFLICT (household_id) DO NOTHING

-- name: look_anew
-- Days begin at other times: when the week is over has to be found out again.
-- Parameter: household_id. Index: report_plans_pkey.
UPDATE viewing.report_plans SET look_at = '-infinity' WHERE household_id = :household_id

-- name: drop_plan_of_childless
-- A household without another child than this profile is reported no more.
-- Parameters: household_id, profile_id. Index: report_plans_pkey.
DELETE FROM viewing.report_plans p
WHERE p.household_id = :household_id AND NOT EXISTS (
    SELECT FROM accounts.pub_profiles c
    WHERE c.household_id = p.household_id AND c.is_child AND c.profile_id <> :profile_id)

-- name: drop_plans
-- Households that are gone. Parameter: households uuid[]. Index: report_plans_pkey.
DELETE FROM viewing.report_plans WHERE household_id = ANY (CAST(:households AS uuid[]))
