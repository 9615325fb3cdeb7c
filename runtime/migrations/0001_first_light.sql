-- Control data of KoyaLite. Schema `koyalite` is read and written by the registry alone; schema
-- `koyalite_api` is what tenants' statements may call. Tenants' tables live in schemas of their own.

-- Tenants' roles must find nothing that they were not given: by default every role may connect,
-- make temporary tables and look into `public`.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
DO $$ BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
END $$;

CREATE SCHEMA IF NOT EXISTS koyalite;

-- One row. Every change of what nodes serve ends with `seq = seq + 1`; the row lock makes the order
-- of commits the order of numbers, so a poller can miss none.
CREATE TABLE koyalite.head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL
);
INSERT INTO koyalite.head (seq) VALUES (1);

CREATE TABLE koyalite.roles (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    permissions jsonb NOT NULL CHECK (jsonb_typeof(permissions) = 'array'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE koyalite.users (
    id uuid PRIMARY KEY,
    email text NOT NULL CHECK (email LIKE '%_@_%' AND length(email) <= 254),
    hashed_password text NOT NULL,
    role_id uuid NOT NULL REFERENCES koyalite.roles (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email_key ON koyalite.users (lower(email));

CREATE TABLE koyalite.projects (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$' AND name NOT LIKE '%-'),
    owner_id uuid NOT NULL REFERENCES koyalite.users (id),
    settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    environment text NOT NULL CHECK (environment IN ('dev', 'staging', 'prod')),
    database_schema text NOT NULL UNIQUE,
    database_role text NOT NULL UNIQUE,
    -- Both sealed by the key ring, with the row's id as associated data.
    jwt_secret bytea NOT NULL,
    database_password bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX projects_owner_id ON koyalite.projects (owner_id);

CREATE TABLE koyalite.tables (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id),
    name text NOT NULL CHECK (name ~ '^[a-z_][a-z0-9_]{0,62}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);

CREATE TABLE koyalite.columns (
    id uuid PRIMARY KEY,
    table_id uuid NOT NULL REFERENCES koyalite.tables (id) ON DELETE CASCADE,
    position integer NOT NULL CHECK (position > 0),
    name text NOT NULL CHECK (name ~ '^[a-z_][a-z0-9_]{0,62}$'),
    type text NOT NULL CHECK (type IN ('boolean', 'integer', 'bigint', 'double precision',
        'numeric', 'text', 'uuid', 'timestamptz', 'date', 'jsonb')),
    is_nullable boolean NOT NULL,
    -- As the author wrote it, in JSON: a literal, or one of the two functions.
    "default" jsonb,
    is_unique boolean NOT NULL,
    is_primary_key boolean NOT NULL,
    UNIQUE (table_id, name),
    UNIQUE (table_id, position)
);

CREATE TABLE koyalite.relationships (
    id uuid PRIMARY KEY,
    from_table_id uuid NOT NULL REFERENCES koyalite.tables (id) ON DELETE CASCADE,
    from_column_id uuid NOT NULL REFERENCES koyalite.columns (id) ON DELETE CASCADE,
    -- No cascade: a table that others point at is not dropped under them.
    to_table_id uuid NOT NULL REFERENCES koyalite.tables (id),
    to_column_id uuid NOT NULL REFERENCES koyalite.columns (id),
    type text NOT NULL CHECK (type IN ('1:1', '1:N', 'N:M')),
    on_delete text NOT NULL CHECK (on_delete IN ('restrict', 'cascade', 'set_null')),
    constraint_name text NOT NULL,
    UNIQUE (from_column_id)
);
CREATE INDEX relationships_from_table_id ON koyalite.relationships (from_table_id);
CREATE INDEX relationships_to_table_id ON koyalite.relationships (to_table_id);

CREATE TABLE koyalite.policies (
    id uuid PRIMARY KEY,
    table_id uuid NOT NULL REFERENCES koyalite.tables (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    effect text NOT NULL CHECK (effect IN ('allow', 'deny')),
    commands text[] NOT NULL CHECK (commands <@ ARRAY['select', 'insert', 'update', 'delete']
        AND cardinality(commands) > 0),
    roles text[] NOT NULL,
    "using" text,
    "check" text,
    enabled boolean NOT NULL,
    created_by uuid NOT NULL REFERENCES koyalite.users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (table_id, name)
);

CREATE TABLE koyalite.functions (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id),
    user_id uuid NOT NULL REFERENCES koyalite.users (id),
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$' AND name NOT LIKE '%-'),
    -- The active version's path, here so that two functions cannot claim one.
    path text NOT NULL CHECK (path LIKE '/%'),
    enabled boolean NOT NULL DEFAULT true,
    active_deployment_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    UNIQUE (project_id, path)
);

-- Immutable: what a function was at one moment.
CREATE TABLE koyalite.versions (
    id uuid PRIMARY KEY,
    function_id uuid NOT NULL REFERENCES koyalite.functions (id),
    number integer NOT NULL CHECK (number > 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    manifest jsonb NOT NULL,
    manifest_hash text NOT NULL CHECK (manifest_hash ~ '^[0-9a-f]{64}$'),
    imports text[] NOT NULL,
    exports text[] NOT NULL,
    handler text NOT NULL CHECK (handler IN ('p3', 'p2', 'none')),
    scheduled boolean NOT NULL,
    -- Why it may not serve several calls with one instance; NULL: it may.
    shared_refused text,
    created_by uuid NOT NULL REFERENCES koyalite.users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (function_id, number),
    UNIQUE (function_id, sha256, manifest_hash),
    UNIQUE (function_id, id)
);

CREATE TABLE koyalite.deployments (
    id uuid PRIMARY KEY,
    function_id uuid NOT NULL REFERENCES koyalite.functions (id),
    number integer NOT NULL CHECK (number > 0),
    version_id uuid NOT NULL,
    regions text[] NOT NULL CHECK (cardinality(regions) > 0),
    created_by uuid NOT NULL REFERENCES koyalite.users (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (function_id, number),
    UNIQUE (function_id, id),
    FOREIGN KEY (function_id, version_id) REFERENCES koyalite.versions (function_id, id)
);
CREATE INDEX deployments_version_id ON koyalite.deployments (version_id);

ALTER TABLE koyalite.functions ADD FOREIGN KEY (id, active_deployment_id)
    REFERENCES koyalite.deployments (function_id, id);

CREATE TABLE koyalite.scheduled_tasks (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id),
    function_id uuid NOT NULL REFERENCES koyalite.functions (id),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
    cron_schedule text NOT NULL,
    timezone text NOT NULL,
    path text,
    -- A task that left the manifest stays as `removed`, for the sake of its runs.
    status text NOT NULL CHECK (status IN ('active', 'paused', 'removed')),
    overlap text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip')),
    catch_up text NOT NULL DEFAULT 'latest' CHECK (catch_up IN ('latest')),
    last_run timestamptz,
    -- NULL: never, because the task is not active or its expression has no further time.
    next_run timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (function_id, name),
    CHECK (status = 'active' OR next_run IS NULL)
);
CREATE INDEX scheduled_tasks_next_run ON koyalite.scheduled_tasks (next_run)
    WHERE next_run IS NOT NULL;
CREATE INDEX scheduled_tasks_project_id ON koyalite.scheduled_tasks (project_id);

-- Each claim takes the next number, so a node that lost its lease holds a smaller one than the node
-- that took over, and its late words are refused.
CREATE SEQUENCE koyalite.fence;

CREATE TABLE koyalite.runs (
    id uuid PRIMARY KEY,
    task_id uuid NOT NULL REFERENCES koyalite.scheduled_tasks (id),
    scheduled_for timestamptz NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'skipped', 'missed')),
    reason text,
    attempt integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
    version integer,
    invocation_id uuid,
    fence bigint,
    lease_until timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- The firing happens once however many nodes see it due: the first insert wins.
    UNIQUE (task_id, scheduled_for),
    CHECK ((status = 'running') = (lease_until IS NOT NULL)),
    CHECK (status IN ('running', 'succeeded') OR reason IS NOT NULL)
);
CREATE INDEX runs_lease_until ON koyalite.runs (lease_until) WHERE status = 'running';

-- What tenants' statements may call. EXECUTE is everyone's by default; USAGE on the schema, which
-- only projects' roles are given, is the gate.
CREATE SCHEMA koyalite_api;

-- A write calls this over its own rows: false undoes the statement that wrote them. NULL passes,
-- for `bool_and` over no rows is NULL and nothing was written.
CREATE FUNCTION koyalite_api.require(passed boolean) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF passed IS FALSE THEN
        RAISE EXCEPTION 'a written row does not pass the policy check' USING ERRCODE = 'KY001';
    END IF;
    RETURN true;
END $$;
