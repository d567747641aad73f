-- What a mailed link proves: that whoever presents it reads the mail of this address. One row for each user and purpose,
-- so that a new token takes the place of the old one, and its address comes with it.
CREATE TABLE one_time_tokens (
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose    TEXT    NOT NULL,             -- 'verify_email' or 'reset_password'
    token_hash BLOB    NOT NULL,             -- SHA-256
    email      TEXT    NOT NULL,             -- where the token was mailed to
    email_key  TEXT    NOT NULL,             -- ASCII lower case
    epoch      INTEGER NOT NULL,             -- the user's, when the token was made
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, purpose)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX one_time_tokens_token_hash ON one_time_tokens (token_hash);
CREATE INDEX one_time_tokens_expires_at ON one_time_tokens (expires_at);

-- The outbox: mails that are written with the change that they tell of, and deleted once they are sent. No token stands
-- here: what is mailed is derived from the seed and a key that the database does not have.
CREATE TABLE mails (
    id         INTEGER PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,             -- which template
    language   TEXT    NOT NULL,             -- of which language
    recipient  TEXT    NOT NULL,
    words      TEXT    NOT NULL,             -- what the template needs beside the link, as JSON
    seed       BLOB,                         -- what the link's token is derived from
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,             -- when it is not worth sending any more
    due_at     INTEGER NOT NULL,             -- when to try next; a node that tries moves it, so that no other does
    attempts   INTEGER NOT NULL,             -- how often somebody began to try
    failed_at  INTEGER,                      -- since when nobody tries any more
    last_error TEXT
) STRICT;

CREATE INDEX mails_due_at ON mails (due_at) WHERE failed_at IS NULL;
CREATE INDEX mails_failed_at ON mails (failed_at) WHERE failed_at IS NOT NULL;
CREATE INDEX mails_user_id ON mails (user_id);

-- Somebody forgot a password: the address as it was typed. Whether an account has it is looked up later, so that the
-- request takes the same time whether one has or not.
CREATE TABLE password_reset_requests (
    email_key    TEXT    PRIMARY KEY,        -- ASCII lower case
    language     TEXT    NOT NULL,
    requested_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX password_reset_requests_requested_at ON password_reset_requests (requested_at);
