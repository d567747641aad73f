-- The account row. Only `username_key` and verified addresses are unique: an unverified address proves nothing,
-- so it neither blocks nor is inherited. A row that is flagged as deleted keeps its name until the purge.
CREATE TABLE users (
    id                INTEGER PRIMARY KEY,
    username          TEXT    NOT NULL,
    username_key      TEXT    NOT NULL,          -- lower case: names are unique without regard to case
    email             TEXT,
    email_key         TEXT,                      -- ASCII lower case
    email_verified_at INTEGER,
    password_hash     TEXT,                      -- PHC string or an imported format; NULL: no password
    epoch             INTEGER NOT NULL,          -- grows with every credential change; a sign-in of an older epoch is dead
    tokens_after      INTEGER NOT NULL,          -- seconds; an access token without a sign-in must be issued later
    created_at        INTEGER NOT NULL,          -- every *_at: milliseconds since 1970, UTC
    last_sign_in_at   INTEGER,
    disabled_at       INTEGER,
    deleted_at        INTEGER,
    CHECK ((email IS NULL) = (email_key IS NULL)),
    CHECK (email IS NOT NULL OR email_verified_at IS NULL)
) STRICT;

CREATE UNIQUE INDEX users_username_key ON users (username_key);
CREATE UNIQUE INDEX users_verified_email_key ON users (email_key) WHERE email_verified_at IS NOT NULL;
CREATE INDEX users_deleted_at ON users (deleted_at) WHERE deleted_at IS NOT NULL;

-- One row is one sign-in, however often it is refreshed. No index names a column that the refresh writes:
-- that alone would halve its rate.
CREATE TABLE sign_ins (
    id              INTEGER PRIMARY KEY,
    user_id         INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    epoch           INTEGER NOT NULL,            -- the user's, when the proof was made
    generation      INTEGER NOT NULL,            -- of the current refresh token
    current_hash    BLOB    NOT NULL,            -- SHA-256 of the current refresh token
    successor_salt  BLOB,                        -- from which the current token was derived; NULL in the first generation
    retry_key_hash  BLOB,                        -- of the Idempotency-Key under which the predecessor was spent
    spendings       TEXT    NOT NULL,            -- when the last eight generations were spent, newest first, 13 digits each
    transport       TEXT    NOT NULL,            -- 'cookie' or 'body', for life
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,            -- idle end, moved by every refresh
    ends_at         INTEGER NOT NULL,            -- absolute end, never moved
    ended_at        INTEGER,
    ended_why       TEXT,
    sweep_day       INTEGER NOT NULL,            -- days since 1970; on this day clean-up looks at the row again
    user_agent      TEXT,
    address         TEXT,
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
) STRICT;

CREATE INDEX sign_ins_user_id ON sign_ins (user_id);
CREATE INDEX sign_ins_sweep_day ON sign_ins (sweep_day);
