-- Roles and permissions over those that come with the server, registered services, and the audit trail.

-- Raised by each change of the roles and permissions of a tenant. What was checked against them is stored only while it is
-- still the same.
ALTER TABLE tenants ADD COLUMN catalogue_revision INTEGER NOT NULL DEFAULT 1;

CREATE TABLE roles (
    tenant_id   BLOB NOT NULL REFERENCES tenants (id),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    permissions TEXT NOT NULL, -- separated by spaces, as in services
    inherits    TEXT NOT NULL, -- names of roles, separated by spaces
    PRIMARY KEY (tenant_id, name)
) STRICT;

CREATE TABLE permissions (
    tenant_id   BLOB NOT NULL REFERENCES tenants (id),
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT;

CREATE TABLE services (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id   BLOB NOT NULL REFERENCES tenants (id),
    name        TEXT NOT NULL,
    permissions TEXT NOT NULL,
    secret_hash BLOB NOT NULL CHECK (length(secret_hash) = 32), -- a keyed hash of 256 random bits
    created_at  INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;

CREATE INDEX services_pages ON services (tenant_id, id);

-- The blacklist also names keys, and tells when roles or permissions have changed. Those two kinds of entry have their
-- tenant for a subject. A constraint can't be changed here, so the table is made anew, with every position, and with the
-- last one that was given away, which no later entry may have.
CREATE TABLE revocations_of_all_kinds (
    position       INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id      BLOB NOT NULL,
    kind           INTEGER NOT NULL CHECK (kind IN (1, 2, 3, 4, 5)), -- token, session, user, key, role definitions
    subject        BLOB NOT NULL CHECK (length(subject) = 16),
    min_generation INTEGER CHECK ((min_generation IS NOT NULL) = (kind = 3)), -- the lowest that a user's tokens may have
    until          INTEGER NOT NULL,
    key_id         TEXT CHECK ((key_id IS NOT NULL) = (kind = 4))
) STRICT;

INSERT INTO revocations_of_all_kinds (position, tenant_id, kind, subject, min_generation, until)
    SELECT position, tenant_id, kind, subject, min_generation, until FROM revocations;
DELETE FROM sqlite_sequence WHERE name = 'revocations_of_all_kinds';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'revocations_of_all_kinds', seq FROM sqlite_sequence WHERE name = 'revocations';
DROP TABLE revocations;
ALTER TABLE revocations_of_all_kinds RENAME TO revocations;

CREATE INDEX revocations_end ON revocations (until);
CREATE INDEX revocations_tokens ON revocations (subject) WHERE kind = 1;
CREATE INDEX revocations_keys ON revocations (key_id) WHERE kind = 4;

-- An entry commits with its cause, and waits in the queue for the one who lays the chain. The columns that name a user
-- repeat what actor and subject say, for the indexes.
CREATE TABLE audit_entries (
    id           BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id    BLOB NOT NULL,
    at           INTEGER NOT NULL,
    action       TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    actor        TEXT NOT NULL,
    actor_user   BLOB,
    subject      TEXT,
    subject_user BLOB,
    address      TEXT,
    user_agent   TEXT,
    request_id   TEXT,
    details      TEXT NOT NULL -- a JSON array of pairs of name and value
) STRICT;

CREATE INDEX audit_entries_pages ON audit_entries (tenant_id, id);
CREATE INDEX audit_entries_actions ON audit_entries (tenant_id, action, id);
CREATE INDEX audit_entries_actors ON audit_entries (tenant_id, actor_user, id) WHERE actor_user IS NOT NULL;
CREATE INDEX audit_entries_actors_actions ON audit_entries (tenant_id, actor_user, action, id) WHERE actor_user IS NOT NULL;
CREATE INDEX audit_entries_subjects ON audit_entries (tenant_id, subject_user, id) WHERE subject_user IS NOT NULL;
CREATE INDEX audit_entries_subjects_actions ON audit_entries (tenant_id, subject_user, action, id) WHERE subject_user IS NOT NULL;

-- How many rows an index gives for one value of its first columns, then of its first two, …, in a long trail: without that,
-- SQLite would rather walk through all entries of a tenant than go to the few of an action or a user.
ANALYZE audit_entries;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('audit_entries', 'audit_entries_pages', '1000000 1000000 1'),
    ('audit_entries', 'audit_entries_actions', '1000000 1000000 40000 1'),
    ('audit_entries', 'audit_entries_actors', '800000 800000 100 1'),
    ('audit_entries', 'audit_entries_subjects', '800000 800000 100 1'),
    ('audit_entries', 'audit_entries_actors_actions', '800000 800000 100 20 1'),
    ('audit_entries', 'audit_entries_subjects_actions', '800000 800000 100 20 1');

CREATE TABLE audit_queue (
    entry_id BLOB NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_links (
    position INTEGER PRIMARY KEY CHECK (position > 0),
    entry_id BLOB NOT NULL UNIQUE, -- no reference: a link outlives an entry that somebody takes away, and shows it
    mac      BLOB NOT NULL CHECK (length(mac) = 32)
) STRICT;

CREATE TRIGGER audit_entries_queue AFTER INSERT ON audit_entries BEGIN
    INSERT INTO audit_queue (entry_id) VALUES (NEW.id);
END;

CREATE TRIGGER audit_entries_stay_as_they_are BEFORE UPDATE ON audit_entries BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_entries_stay BEFORE DELETE ON audit_entries BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_links_stay_as_they_are BEFORE UPDATE ON audit_links BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_links_stay BEFORE DELETE ON audit_links BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;

-- INSERT OR REPLACE deletes without a trigger on deletion.
CREATE TRIGGER audit_entries_are_not_replaced BEFORE INSERT ON audit_entries
WHEN EXISTS (SELECT 1 FROM audit_entries WHERE id = NEW.id) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER audit_links_are_not_replaced BEFORE INSERT ON audit_links
WHEN EXISTS (SELECT 1 FROM audit_links WHERE position = NEW.position OR entry_id = NEW.entry_id) BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
