-- Keys that programs call a project's functions with. The key itself is shown once and not kept: 256 random
-- bits need no slow hash.
CREATE TABLE koyalite.api_keys (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- Its beginning, for people who look for it.
    prefix text NOT NULL,
    sha256 bytea NOT NULL UNIQUE CHECK (length(sha256) = 32),
    scopes text[] NOT NULL CHECK (scopes <@ ARRAY['anon', 'service'] AND cardinality(scopes) > 0),
    expires_at timestamptz,
    -- The subject of the operator's token, who need not be a user.
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    UNIQUE (project_id, name)
);
