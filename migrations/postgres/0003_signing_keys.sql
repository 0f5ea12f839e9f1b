-- The key that signs is the one without an end. Private keys are sealed under a key that is not in the database.

CREATE TABLE signing_keys (
    kid                TEXT COLLATE "C" PRIMARY KEY, -- RFC 7638 thumbprint
    algorithm          TEXT NOT NULL,
    jwk                TEXT NOT NULL, -- the public members
    created_at         BIGINT NOT NULL,
    active_from        BIGINT NOT NULL,
    retires_at         BIGINT,
    sealed_private_key BYTEA NOT NULL
);
