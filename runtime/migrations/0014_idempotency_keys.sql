-- Creations that an operator asked for under a key of theirs, for a day. `status` is NULL while the first
-- one is at work; its answer is sealed by the key ring, for it may hold what is shown once.
CREATE TABLE koyalite.idempotency_keys (
    id uuid PRIMARY KEY,
    operator text NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_sha256 text NOT NULL CHECK (request_sha256 ~ '^[0-9a-f]{64}$'),
    status integer CHECK (status BETWEEN 200 AND 299),
    answer bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (operator, key),
    CHECK ((status IS NULL) = (answer IS NULL))
);
CREATE INDEX idempotency_keys_created_at ON koyalite.idempotency_keys (created_at);
