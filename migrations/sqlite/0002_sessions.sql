-- A session keeps the counter of its one live refresh token, never a token, so a stolen copy opens nothing.

CREATE TABLE sessions (
    id                BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    tenant_id         BLOB NOT NULL, -- its user's
    user_id           BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    opened_generation INTEGER NOT NULL,
    counter           INTEGER NOT NULL CHECK (counter > 0),
    created_at        INTEGER NOT NULL,
    rotated_at        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    revoked_at        INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
