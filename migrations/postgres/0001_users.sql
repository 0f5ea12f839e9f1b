-- Times are microseconds since the Unix epoch, in both dialects. Addresses are compared in the canonical form that the
-- server computes, byte by byte, never by a rule of the database.

CREATE TABLE tenants (
    id   UUID PRIMARY KEY,
    name TEXT NOT NULL
);

INSERT INTO tenants (id, name) VALUES ('00000000-0000-0000-0000-000000000001', 'default');

CREATE TABLE users (
    id               UUID PRIMARY KEY,
    tenant_id        UUID NOT NULL REFERENCES tenants (id),
    email            TEXT NOT NULL,
    email_canonical  TEXT COLLATE "C" NOT NULL,
    name             TEXT NOT NULL,
    roles            TEXT NOT NULL CHECK (roles <> ''), -- separated by spaces, the primary one first
    is_active        BOOLEAN NOT NULL,
    email_verified   BOOLEAN NOT NULL,
    created_at       BIGINT NOT NULL,
    last_login_at    BIGINT,
    generation       BIGINT NOT NULL,
    session_floor    BIGINT NOT NULL CHECK (session_floor <= generation),
    password_hash    TEXT NOT NULL,
    password_version BIGINT NOT NULL,
    UNIQUE (tenant_id, email_canonical)
) WITH (fillfactor = 90); -- room for a login to note its time without touching an index

CREATE INDEX users_pages ON users (tenant_id, id);
CREATE INDEX users_admins ON users (tenant_id) WHERE (' ' || roles || ' ') LIKE '% admin %';

-- The bcrypt hashes that are ever computed, so that the highest cost is one step away at a million users.
CREATE INDEX users_bcrypt_cost ON users (substr(password_hash, 5, 2))
    WHERE substr(password_hash, 1, 4) IN ('$2a$', '$2b$', '$2y$')
    AND substr(password_hash, 5, 2) IN ('04', '05', '06', '07', '08', '09', '10', '11', '12', '13', '14', '15')
    AND length(password_hash) = 60;
