-- A session keeps the counter of its one live refresh token, never a token, so a stolen copy opens nothing.

CREATE TABLE sessions (
    id                UUID PRIMARY KEY,
    tenant_id         UUID NOT NULL, -- its user's
    user_id           UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    opened_generation BIGINT NOT NULL,
    counter           BIGINT NOT NULL CHECK (counter > 0),
    created_at        BIGINT NOT NULL,
    rotated_at        BIGINT NOT NULL,
    expires_at        BIGINT NOT NULL,
    revoked_at        BIGINT
) WITH (fillfactor = 90); -- room for a rotation beside the row it replaces

CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
