-- What children ask their guardians for: more time today, one request at a time.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

CREATE TABLE viewing.requests (
    household_id uuid NOT NULL,
    id uuid NOT NULL,
    profile_id uuid NOT NULL,
    minutes smallint NOT NULL,
    message text,
    status text NOT NULL,
    asked_by_user_id uuid,
    asked_by_device_id text,
    idempotency_key text,
    created_at timestamptz NOT NULL,
    -- The end of the viewing day in which it was asked: nobody needs today's answer tomorrow.
    expires_at timestamptz NOT NULL,
    answered_at timestamptz,
    answered_by_user_id uuid,
    answer text,
    granted_minutes smallint,
    grant_id uuid,
    CONSTRAINT requests_pkey PRIMARY KEY (household_id, id),
    CONSTRAINT requests_once_per_key UNIQUE (household_id, profile_id, idempotency_key),
    CONSTRAINT requests_minutes CHECK (minutes BETWEEN 1 AND 240),
    CONSTRAINT requests_status CHECK (status IN ('open', 'approved', 'denied', 'expired')),
    CONSTRAINT requests_answered CHECK ((status IN ('approved', 'denied')) = (answered_at IS NOT NULL)),
    CONSTRAINT requests_granted CHECK ((status = 'approved') = (grant_id IS NOT NULL))
);

CREATE UNIQUE INDEX requests_one_open ON viewing.requests (household_id, profile_id)
    WHERE status = 'open';
CREATE INDEX requests_newest ON viewing.requests (household_id, created_at DESC, id DESC);
