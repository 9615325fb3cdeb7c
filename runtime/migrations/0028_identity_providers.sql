-- Identity servers whose tokens a project takes as those of its users. Their keys are public and are
-- fetched from `jwks_url`; nothing here is secret.
CREATE TABLE koyalite.identity_providers (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- `iss` and `aud` of its tokens, as they must be.
    issuer text NOT NULL CHECK (length(issuer) BETWEEN 1 AND 1000),
    audience text NOT NULL CHECK (length(audience) BETWEEN 1 AND 1000),
    jwks_url text NOT NULL,
    -- The subject of the operator's token, who need not be a user.
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    -- A token names its issuer, and that must name one provider.
    UNIQUE (project_id, issuer)
);
