-- The token blacklist: a log that is followed by position. An entry names what is revoked, and goes once `until` has passed.
--
-- One transaction writes after the other, so the order of positions is the order of commits; and AUTOINCREMENT gives none
-- of them twice, even after the last entry is gone.

CREATE TABLE revocations (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id      BLOB NOT NULL,
    kind           INTEGER NOT NULL CHECK (kind IN (1, 2, 3)), -- what the subject is: token, session, user
    subject        BLOB NOT NULL CHECK (length(subject) = 16),
    min_generation INTEGER CHECK ((min_generation IS NOT NULL) = (kind = 3)), -- the lowest that a user's tokens may have
    until          INTEGER NOT NULL
) STRICT;

CREATE INDEX revocations_end ON revocations (until);
CREATE INDEX revocations_tokens ON revocations (subject) WHERE kind = 1;
