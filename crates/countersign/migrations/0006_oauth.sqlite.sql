-- Whom another service vouches for: by the provider's name, its issuer and the subject that it gave the person, never by
-- an e-mail address or a name.
CREATE TABLE identities (
    id           INTEGER PRIMARY KEY,
    user_id      INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    provider     TEXT    NOT NULL,           -- its name in the settings
    issuer       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    email        TEXT,                       -- as the provider last gave it: shown to the owner, never decided by
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER                     -- when it last opened a sign-in
) STRICT;

CREATE UNIQUE INDEX identities_subject ON identities (provider, issuer, subject);
CREATE INDEX identities_user_id ON identities (user_id);

-- Who was sent to a provider and is expected back. No state, nonce or verifier stands here: all of them follow from the
-- state that the browser brings back, and from a key that the database does not have.
CREATE TABLE oauth_attempts (
    state_hash   BLOB    PRIMARY KEY,        -- SHA-256 of the state
    browser_hash BLOB    NOT NULL,           -- SHA-256 of the cookie that was set with it
    provider     TEXT    NOT NULL,
    return_to    TEXT    NOT NULL,
    user_id      INTEGER,                    -- who links an identity; NULL: somebody signs in
    sign_in_id   INTEGER,                    -- the sign-in in which they asked for that
    created_at   INTEGER NOT NULL,
    CHECK ((user_id IS NULL) = (sign_in_id IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX oauth_attempts_created_at ON oauth_attempts (created_at);
