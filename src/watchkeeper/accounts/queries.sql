-- name: list_audit
-- A page of a household's trail, newest first, with the names that its people and things have now.
-- What is gone has none. Parameters: household_id; before_at and before_id (where the page begins,
-- exclusive); profile (text, null for all: lines whose subject it is or that name it as
-- `profile_id`); kind (the part of the action before the dot, null for all); at_most (lines).
-- Index: audit_by_time backwards, primary keys for the names. Budget: one statement a page.
SELECT a.id, a.at, a.actor, a.action, a.subject, a.before, a.after,
       actor_user.email AS actor_email,
       actor_user.id IS NOT NULL AND actor_user.household_id IS DISTINCT FROM :household_id
           AS is_staff,
       actor_device.name AS actor_device,
       coalesce(profile.name, device.name, subject_user.email, invitation.email, title.name,
                household.name) AS subject_name
FROM (
    SELECT t.*,
           CASE WHEN t.actor LIKE 'user:%'
                THEN CAST(substr(t.actor, 6) AS uuid) END AS actor_user_id,
           CASE WHEN t.actor LIKE 'device:%' THEN substr(t.actor, 8) END AS actor_device_id,
           split_part(t.subject, ':', 1) AS subject_kind,
           CASE WHEN t.subject ~ ':[0-9a-f-]{36}$'
                THEN CAST(right(t.subject, 36) AS uuid) END AS subject_id
    FROM accounts.audit t
    WHERE t.household_id = :household_id
      AND (t.at, t.id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid))
      AND (CAST(:profile AS text) IS NULL
           OR t.subject = 'profile:' || CAST(:profile AS text)
           OR t.after ->> 'profile_id' = CAST(:profile AS text)
           OR t.before ->> 'profile_id' = CAST(:profile AS text))
      AND (CAST(:kind AS text) IS NULL OR split_part(t.action, '.', 1) = CAST(:kind AS text))
    ORDER BY t.at DESC, t.id DESC
    LIMIT :at_most
) a
LEFT JOIN accounts.users actor_user ON actor_user.id = a.actor_user_id
LEFT JOIN accounts.devices actor_device
    ON actor_device.household_id = a.household_id AND actor_device.device_id = a.actor_device_id
LEFT JOIN accounts.profiles profile
    ON a.subject_kind = 'profile'
    AND profile.household_id = a.household_id AND profile.id = a.subject_id
LEFT JOIN accounts.devices device
    ON a.subject_kind = 'device'
    AND device.household_id = a.household_id AND device.id = a.subject_id
LEFT JOIN accounts.users subject_user
    ON a.subject_kind = 'user' AND subject_user.id = a.subject_id
LEFT JOIN accounts.invitations invitation
    ON a.subject_kind = 'invitation' AND invitation.id = a.subject_id
LEFT JOIN accounts.households household
    ON a.subject_kind = 'household' AND household.household_id = a.subject_id
LEFT JOIN catalogue.pub_titles title
    ON a.subject_kind = 'title' AND title.id = a.subject_id
    AND (title.household_id IS NULL OR title.household_id = a.household_id)
ORDER BY a.at DESC, a.id DESC
