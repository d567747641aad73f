-- The account row. Only `username_key` and verified addresses are unique: an unverified address proves nothing,
-- so it neither blocks nor is inherited. A row that is flagged as deleted keeps its name until the purge.
CREATE TABLE users (
    id                BIGINT PRIMARY KEY,
    username          TEXT    NOT NULL,
    username_key      TEXT    NOT NULL,      -- lower case: names are unique without regard to case
    email             TEXT,
    email_key         TEXT,                  -- ASCII lower case
    email_verified_at BIGINT,
    password_hash     TEXT,                  -- PHC string or an imported format; NULL: no password
    epoch             BIGINT  NOT NULL,      -- grows with every credential change; a sign-in of an older epoch is dead
    tokens_after      BIGINT  NOT NULL,      -- seconds; an access token without a sign-in must be issued later
    created_at        BIGINT  NOT NULL,      -- every *_at: milliseconds since 1970, UTC
    last_sign_in_at   BIGINT,
    disabled_at       BIGINT,
    deleted_at        BIGINT,
    CHECK ((email IS NULL) = (email_key IS NULL)),
    CHECK (email IS NOT NULL OR email_verified_at IS NULL)
);

CREATE UNIQUE INDEX users_username_key ON users (username_key);
CREATE UNIQUE INDEX users_verified_email_key ON users (email_key) WHERE email_verified_at IS NOT NULL;
CREATE INDEX users_deleted_at ON users (deleted_at) WHERE deleted_at IS NOT NULL;

-- One row is one sign-in, however often it is refreshed. No index names a column that the refresh writes:
-- that alone would cost its HOT updates, for which a page keeps a third of its room.
CREATE TABLE sign_ins (
    id              BIGINT PRIMARY KEY,
    user_id         BIGINT  NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    epoch           BIGINT  NOT NULL,        -- the user's, when the proof was made
    generation      BIGINT  NOT NULL,        -- of the current refresh token
    current_hash    BYTEA   NOT NULL,        -- SHA-256 of the current refresh token
    successor_salt  BYTEA,                   -- from which the current token was derived; NULL in the first generation
    retry_key_hash  BYTEA,                   -- of the Idempotency-Key under which the predecessor was spent
    spendings       TEXT    NOT NULL,        -- when the last eight generations were spent, newest first, 13 digits each
    transport       TEXT    NOT NULL,        -- 'cookie' or 'body', for life
    created_at      BIGINT  NOT NULL,
    last_used_at    BIGINT  NOT NULL,
    expires_at      BIGINT  NOT NULL,        -- idle end, moved by every refresh
    ends_at         BIGINT  NOT NULL,        -- absolute end, never moved
    ended_at        BIGINT,
    ended_why       TEXT,
    sweep_day       BIGINT  NOT NULL,        -- days since 1970; on this day clean-up looks at the row again
    user_agent      TEXT,
    address         TEXT,
    CHECK ((ended_at IS NULL) = (ended_why IS NULL))
) WITH (fillfactor = 70);

CREATE INDEX sign_ins_user_id ON sign_ins (user_id);
CREATE INDEX sign_ins_sweep_day ON sign_ins (sweep_day);

-- One row as long as the server's memory lives: an unlogged table is empty after a crash and on a promoted standby. Whoever
-- lost the answer to a COMMIT may ask for that transaction's fate only where the row is still the same.
CREATE UNLOGGED TABLE server_life (
    only_row BOOLEAN PRIMARY KEY CHECK (only_row),
    life     BIGINT  NOT NULL
);
