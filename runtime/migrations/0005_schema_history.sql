-- What applying a schema.json did to a project, and when. `seq` is the head that the change moved to.
CREATE TABLE koyalite.schema_history (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    seq bigint NOT NULL,
    -- The token's subject: an operator need not be a user.
    applied_by text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    steps jsonb NOT NULL CHECK (jsonb_typeof(steps) = 'array')
);
CREATE INDEX schema_history_project_id ON koyalite.schema_history (project_id, seq);
