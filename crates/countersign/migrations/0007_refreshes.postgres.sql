-- A refresh must not pay for what it never changes. Before an update PostgreSQL asks the condition of each trigger that may
-- concern it, and reads that condition anew for every statement: the long one of sign_ins_changed cost more than two rows of
-- a batch. Where a trigger names columns, a statement that sets none of them is never asked. So the trigger is divided: one
-- for what no refresh sets, and one, with a short condition, for the end of a sign-in, which every refresh sets.
--
-- No other table is touched here: whoever waits for a lock on this one holds nothing that the others want.
DROP TRIGGER sign_ins_changed ON sign_ins;

CREATE TRIGGER sign_ins_changed
    AFTER UPDATE OF ended_at, epoch, user_id, id, created_at ON sign_ins FOR EACH ROW
    WHEN (OLD.ended_at IS DISTINCT FROM NEW.ended_at OR OLD.epoch <> NEW.epoch OR OLD.user_id <> NEW.user_id
          OR OLD.id <> NEW.id OR OLD.created_at <> NEW.created_at)
    EXECUTE FUNCTION note_change('sign_in');

CREATE TRIGGER sign_ins_shortened AFTER UPDATE OF expires_at ON sign_ins FOR EACH ROW
    WHEN (OLD.expires_at > NEW.expires_at)
    EXECUTE FUNCTION note_change('sign_in');

-- Also for rows that replication writes.
ALTER TABLE sign_ins ENABLE ALWAYS TRIGGER sign_ins_changed;
ALTER TABLE sign_ins ENABLE ALWAYS TRIGGER sign_ins_shortened;
