-- What was done, by whom. A row is written in the transaction that did it and gets its place in the
-- chain, and its hash, from the sealer soon after: whoever writes waits for nobody.
CREATE TABLE koyalite.audit_logs (
    id uuid PRIMARY KEY,
    -- NULL: of the installation. No reference, for a record outlives what it speaks of.
    project_id uuid,
    -- A user's id, the name in a token, or `system`.
    actor_id text NOT NULL,
    action text NOT NULL,
    target_type text NOT NULL,
    target_id text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id uuid,
    -- Not jsonb: what is hashed is the text, as it was written.
    metadata json NOT NULL,
    position bigint CHECK (position > 0),
    -- The hash before this one, so that a record can be judged without its neighbours.
    previous bytea,
    hash bytea,
    CHECK ((position IS NULL) = (hash IS NULL) AND (position IS NULL) = (previous IS NULL))
);
CREATE INDEX audit_logs_unsealed ON koyalite.audit_logs (at) WHERE position IS NULL;
CREATE INDEX audit_logs_chain ON koyalite.audit_logs (project_id, position);
CREATE INDEX audit_logs_listed ON koyalite.audit_logs (project_id, id);

-- The end of a chain at one moment, signed with a key that is not in the database.
CREATE TABLE koyalite.audit_checkpoints (
    id uuid PRIMARY KEY,
    project_id uuid,
    position bigint NOT NULL CHECK (position > 0),
    hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    key_id text NOT NULL,
    signature bytea NOT NULL,
    UNIQUE NULLS NOT DISTINCT (project_id, position)
);
