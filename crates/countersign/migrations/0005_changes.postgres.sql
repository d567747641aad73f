-- What checks of access tokens must look up again. Nodes keep the answers of checks, and before each use ask for what was
-- committed here since their snapshot. The triggers write it, so that no program and no operator can forget to.
--
-- Unlogged: a crash and a promoted standby empty it, and either breaks every connection that keeps answers.
-- A transaction below the newest `removed_below` may have no row here any more; whoever has not asked since then forgets
-- everything. Delete nothing from this table by hand.
CREATE UNLOGGED TABLE changes (
    transaction    xid8   NOT NULL,          -- which made the change; it counts once that is committed
    sign_in_id     BIGINT,                   -- what changed: a sign-in, or a user; neither: everything
    user_id        BIGINT,
    removed_below  xid8,                     -- only clean-up: rows of earlier transactions are being removed
    finished_below xid8,                     -- only clean-up: earlier transactions had all ended then
    noted_at       BIGINT                    -- only clean-up: when that was
);

CREATE INDEX changes_transaction ON changes (transaction);
CREATE INDEX changes_removed_below ON changes (removed_below) WHERE removed_below IS NOT NULL;
CREATE INDEX changes_noted_at ON changes (noted_at) WHERE noted_at IS NOT NULL;

-- The table beside the one that was changed, whatever the search path of whoever changes it.
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $note$
DECLARE
    changed_sign_in BIGINT;
    changed_user    BIGINT;
BEGIN
    IF TG_OP <> 'TRUNCATE' THEN
        IF TG_ARGV[0] = 'sign_in' THEN
            changed_sign_in := OLD.id;
        ELSE
            changed_user := OLD.id;
        END IF;
    END IF;
    EXECUTE format('INSERT INTO %I.changes (transaction, sign_in_id, user_id)
                    VALUES (pg_current_xact_id(), $1, $2)', TG_TABLE_SCHEMA)
        USING changed_sign_in, changed_user;
    RETURN NULL;
END
$note$;

-- Everything that a check answers with, but for an end that moves away: that is what a refresh does.
CREATE TRIGGER sign_ins_changed AFTER UPDATE ON sign_ins FOR EACH ROW
    WHEN (OLD.ended_at IS DISTINCT FROM NEW.ended_at OR OLD.expires_at > NEW.expires_at OR OLD.epoch <> NEW.epoch
          OR OLD.user_id <> NEW.user_id OR OLD.id <> NEW.id OR OLD.created_at <> NEW.created_at)
    EXECUTE FUNCTION note_change('sign_in');
CREATE TRIGGER sign_ins_removed AFTER DELETE ON sign_ins FOR EACH ROW
    WHEN (OLD.ended_at IS NULL)
    EXECUTE FUNCTION note_change('sign_in');
CREATE TRIGGER sign_ins_emptied AFTER TRUNCATE ON sign_ins FOR EACH STATEMENT EXECUTE FUNCTION note_change();

CREATE TRIGGER users_changed AFTER UPDATE ON users FOR EACH ROW
    WHEN (OLD.epoch <> NEW.epoch OR OLD.disabled_at IS DISTINCT FROM NEW.disabled_at
          OR OLD.deleted_at IS DISTINCT FROM NEW.deleted_at OR OLD.tokens_after <> NEW.tokens_after
          OR OLD.username <> NEW.username OR OLD.email IS DISTINCT FROM NEW.email
          OR OLD.email_verified_at IS DISTINCT FROM NEW.email_verified_at
          OR OLD.id <> NEW.id OR OLD.created_at <> NEW.created_at)
    EXECUTE FUNCTION note_change('user');
CREATE TRIGGER users_removed AFTER DELETE ON users FOR EACH ROW
    WHEN (OLD.disabled_at IS NULL AND OLD.deleted_at IS NULL)
    EXECUTE FUNCTION note_change('user');
CREATE TRIGGER users_emptied AFTER TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION note_change();

CREATE TRIGGER changes_emptied AFTER TRUNCATE ON changes FOR EACH STATEMENT EXECUTE FUNCTION note_change();

-- Also for rows that replication writes.
ALTER TABLE sign_ins ENABLE ALWAYS TRIGGER sign_ins_changed;
ALTER TABLE sign_ins ENABLE ALWAYS TRIGGER sign_ins_removed;
ALTER TABLE sign_ins ENABLE ALWAYS TRIGGER sign_ins_emptied;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_changed;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_removed;
ALTER TABLE users ENABLE ALWAYS TRIGGER users_emptied;
ALTER TABLE changes ENABLE ALWAYS TRIGGER changes_emptied;
