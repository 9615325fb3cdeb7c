-- All policies of a project as they were when a deployment stopped serving: what its version was last
-- used with. Most deployments change no policy, so equal sets are one.
CREATE TABLE koyalite.policy_sets (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id),
    sha256 text NOT NULL,
    policies jsonb NOT NULL CHECK (jsonb_typeof(policies) = 'array'),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, sha256)
);
ALTER TABLE koyalite.deployments ADD COLUMN policy_set_id uuid REFERENCES koyalite.policy_sets (id);
