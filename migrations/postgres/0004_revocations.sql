-- The token blacklist: a log that every instance follows. An entry names what is revoked, and goes once `until` has passed.
--
-- A sequence is drawn from before the commit, so its order is not that in which entries come to be seen: whoever reads
-- "what is greater than the last one" skips the entry of a transaction that commits late. So an entry keeps the
-- transaction that wrote it, and a reader asks for what its last snapshot did not see.

CREATE TABLE revocations (
    xid            BIGINT NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    position       BIGINT GENERATED ALWAYS AS IDENTITY, -- tells entries of one transaction apart, for pages
    tenant_id      UUID NOT NULL,
    kind           SMALLINT NOT NULL CHECK (kind IN (1, 2, 3)), -- what the subject is: token, session, user
    subject        UUID NOT NULL,
    min_generation BIGINT CHECK ((min_generation IS NOT NULL) = (kind = 3)), -- the lowest that a user's tokens may have
    until          BIGINT NOT NULL,
    PRIMARY KEY (xid, position)
);

CREATE INDEX revocations_end ON revocations (until);
CREATE INDEX revocations_tokens ON revocations (subject) WHERE kind = 1;
