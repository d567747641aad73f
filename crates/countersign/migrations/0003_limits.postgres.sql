-- What has been used of a limit. Who is limited can't be read off: the key is the keyed hash of an account's name, an
-- address, a device. A row is worth nothing once its window is over.
CREATE TABLE rate_limits (
    key     BIGINT PRIMARY KEY,          -- 64 bits of an HMAC, either sign
    used    BIGINT NOT NULL,             -- units, in the window that ends at ends_at
    ends_at BIGINT NOT NULL              -- the first unit's time and the period of the limit
);

CREATE INDEX rate_limits_ends_at ON rate_limits (ends_at);
-- Where there are too many rows, those go first that have the least to say.
CREATE INDEX rate_limits_used ON rate_limits (used, ends_at);

-- Grows with every new password: a device that was known under an older one is unknown again.
ALTER TABLE users ADD COLUMN password_changes BIGINT NOT NULL DEFAULT 0;
