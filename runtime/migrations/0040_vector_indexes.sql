-- Where this program makes the extension of vectors, it lives here: projects' roles may look up its types and
-- operators, and nothing else is in reach by that. An extension that is elsewhere stays there.
CREATE SCHEMA koyalite_vector;
GRANT USAGE ON SCHEMA koyalite_vector TO PUBLIC;

-- Nearest neighbours by a column of a table.
CREATE TABLE koyalite.vector_indexes (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^[a-z_][a-z0-9_]{0,62}$'),
    -- Who owns it.
    user_id uuid NOT NULL REFERENCES koyalite.users (id),
    associated_table_id uuid NOT NULL REFERENCES koyalite.tables (id) ON DELETE CASCADE,
    -- No cascade: a column goes after the indexes on it, or with its whole table.
    column_id uuid NOT NULL REFERENCES koyalite.columns (id),
    metric text NOT NULL CHECK (metric IN ('cosine', 'l2', 'inner_product')),
    -- exact: rows are compared one by one. building, ready, failed: an index of pgvector.
    state text NOT NULL CHECK (state IN ('exact', 'building', 'ready', 'failed')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name)
);
CREATE INDEX ON koyalite.vector_indexes (associated_table_id);
CREATE INDEX ON koyalite.vector_indexes (column_id);
CREATE INDEX ON koyalite.vector_indexes (user_id);
