-- The audit trail. Rows are only added, and removed when their time of retention is over. They outlive the user and the
-- sign-in that they speak of, so nothing refers to those.
CREATE TABLE audit_events (
    id         INTEGER PRIMARY KEY,              -- ordered by time: also the index of the sweep
    at         INTEGER NOT NULL,                 -- milliseconds since 1970, UTC
    event      TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,                 -- 'success' or 'failure'
    times      INTEGER NOT NULL,                 -- how many alike the row stands for; the rest is the first one's
    request_id TEXT,
    user_id    INTEGER,
    sign_in_id INTEGER,
    address    TEXT,
    detail     TEXT
) STRICT;

CREATE INDEX audit_events_user_id ON audit_events (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX audit_events_sign_in_id ON audit_events (sign_in_id, id) WHERE sign_in_id IS NOT NULL;

-- Who does a job that one node at a time should do.
CREATE TABLE leases (
    name       TEXT    PRIMARY KEY,
    holder     TEXT    NOT NULL,                 -- drawn anew by each program that starts
    expires_at INTEGER NOT NULL                  -- by the holder's clock; a dead node's lease is free from then on
) STRICT;
