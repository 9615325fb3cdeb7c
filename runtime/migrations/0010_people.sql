-- Sessions of people who signed in, the tokens of other operators, and who works in which project.

-- One row for each sign-in; all refresh tokens that came from it are its family and end with it.
CREATE TABLE koyalite.sessions (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES koyalite.users (id) ON DELETE CASCADE,
    -- NULL: a session of the control API. Else: of a user of this project's functions.
    project_id uuid REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX sessions_user_id ON koyalite.sessions (user_id);
CREATE INDEX sessions_project_id ON koyalite.sessions (project_id);

-- Used ones stay: whoever shows one again tells that it was stolen.
CREATE TABLE koyalite.refresh_tokens (
    sha256 bytea PRIMARY KEY CHECK (length(sha256) = 32),
    session_id uuid NOT NULL REFERENCES koyalite.sessions (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session_id ON koyalite.refresh_tokens (session_id);

-- Control tokens that operators gave out. The token itself is not kept; its id is in it.
CREATE TABLE koyalite.operator_tokens (
    id uuid PRIMARY KEY,
    subject text NOT NULL CHECK (length(subject) BETWEEN 1 AND 255),
    role_id uuid NOT NULL REFERENCES koyalite.roles (id),
    -- Whoever leaves takes along what they gave out.
    created_by uuid NOT NULL REFERENCES koyalite.users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE INDEX operator_tokens_role_id ON koyalite.operator_tokens (role_id);
CREATE INDEX operator_tokens_created_by ON koyalite.operator_tokens (created_by);

CREATE TABLE koyalite.members (
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES koyalite.users (id) ON DELETE CASCADE,
    role_id uuid NOT NULL REFERENCES koyalite.roles (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX members_user_id ON koyalite.members (user_id);
CREATE INDEX members_role_id ON koyalite.members (role_id);
CREATE INDEX users_role_id ON koyalite.users (role_id);

-- Whether anybody may become a user of the project's functions.
ALTER TABLE koyalite.projects ADD COLUMN app_sign_up boolean NOT NULL DEFAULT false;
