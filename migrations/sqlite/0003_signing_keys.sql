-- The key that signs is the one without an end. Private keys are sealed under a key that is not in the database.

CREATE TABLE signing_keys (
    kid                TEXT NOT NULL PRIMARY KEY, -- RFC 7638 thumbprint
    algorithm          TEXT NOT NULL,
    jwk                TEXT NOT NULL, -- the public members
    created_at         INTEGER NOT NULL,
    active_from        INTEGER NOT NULL,
    retires_at         INTEGER,
    sealed_private_key BLOB NOT NULL
) STRICT;
