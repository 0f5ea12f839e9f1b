-- Roles and permissions over those that come with the server, registered services, and the audit trail.

-- Raised by each change of the roles and permissions of a tenant. What was checked against them is stored only while it is
-- still the same.
ALTER TABLE tenants ADD COLUMN catalogue_revision BIGINT NOT NULL DEFAULT 1;

CREATE TABLE roles (
    tenant_id   UUID NOT NULL REFERENCES tenants (id),
    name        TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    permissions TEXT NOT NULL, -- separated by spaces, as in services
    inherits    TEXT NOT NULL, -- names of roles, separated by spaces
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE permissions (
    tenant_id   UUID NOT NULL REFERENCES tenants (id),
    name        TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE services (
    id          UUID PRIMARY KEY,
    tenant_id   UUID NOT NULL REFERENCES tenants (id),
    name        TEXT COLLATE "C" NOT NULL,
    permissions TEXT NOT NULL,
    secret_hash BYTEA NOT NULL CHECK (length(secret_hash) = 32), -- a keyed hash of 256 random bits
    created_at  BIGINT NOT NULL,
    UNIQUE (tenant_id, name)
);

CREATE INDEX services_pages ON services (tenant_id, id);

-- The blacklist also names keys, and tells when roles or permissions have changed. Those two kinds of entry have their
-- tenant for a subject.
ALTER TABLE revocations
    DROP CONSTRAINT revocations_kind_check,
    ADD CONSTRAINT revocations_kind_check CHECK (kind IN (1, 2, 3, 4, 5)), -- token, session, user, key, role definitions
    ADD COLUMN key_id TEXT COLLATE "C" CHECK ((key_id IS NOT NULL) = (kind = 4));

CREATE INDEX revocations_keys ON revocations (key_id) WHERE kind = 4;

-- An entry commits with its cause, beside others, and waits in the queue for the one who lays the chain. The columns that
-- name a user repeat what actor and subject say, for the indexes.
CREATE TABLE audit_entries (
    id           UUID PRIMARY KEY,
    tenant_id    UUID NOT NULL,
    at           BIGINT NOT NULL,
    action       TEXT COLLATE "C" NOT NULL,
    outcome      TEXT NOT NULL,
    actor        TEXT NOT NULL,
    actor_user   UUID,
    subject      TEXT,
    subject_user UUID,
    address      TEXT,
    user_agent   TEXT,
    request_id   TEXT,
    details      TEXT NOT NULL -- a JSON array of pairs of name and value
);

CREATE INDEX audit_entries_pages ON audit_entries (tenant_id, id);
CREATE INDEX audit_entries_actions ON audit_entries (tenant_id, action, id);
CREATE INDEX audit_entries_actors ON audit_entries (tenant_id, actor_user, id) WHERE actor_user IS NOT NULL;
CREATE INDEX audit_entries_actors_actions ON audit_entries (tenant_id, actor_user, action, id) WHERE actor_user IS NOT NULL;
CREATE INDEX audit_entries_subjects ON audit_entries (tenant_id, subject_user, id) WHERE subject_user IS NOT NULL;
CREATE INDEX audit_entries_subjects_actions ON audit_entries (tenant_id, subject_user, action, id) WHERE subject_user IS NOT NULL;

CREATE TABLE audit_queue (
    entry_id UUID PRIMARY KEY
);

CREATE TABLE audit_links (
    position BIGINT PRIMARY KEY CHECK (position > 0),
    entry_id UUID NOT NULL UNIQUE, -- no reference: a link outlives an entry that somebody takes away, and shows it
    mac      BYTEA NOT NULL CHECK (length(mac) = 32)
);

CREATE FUNCTION queue_audit_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_queue (entry_id) VALUES (NEW.id);
    RETURN NULL;
END
$$;

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END
$$;

CREATE TRIGGER audit_entries_queue AFTER INSERT ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION queue_audit_entry();
CREATE TRIGGER audit_entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER audit_links_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_links
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
