-- Codes for people who have forgotten their password: sent by mail, good once and for half an hour. Only
-- their hashes are here.
CREATE TABLE koyalite.password_resets (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    user_id uuid NOT NULL REFERENCES koyalite.users (id) ON DELETE CASCADE,
    -- NULL: asked for at the control API. Else: at the door of this project.
    project_id uuid REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX password_resets_user_id ON koyalite.password_resets (user_id);
CREATE INDEX password_resets_project_id ON koyalite.password_resets (project_id);

-- What was sent on behalf of one user.
CREATE INDEX email_logs_user_id ON koyalite.email_logs (user_id, number) WHERE user_id IS NOT NULL;

-- NULL: mail of the installation itself, to its operators. No project's log has it.
ALTER TABLE koyalite.email_logs ALTER COLUMN project_id DROP NOT NULL;
