-- Indexes of projects' tables. Columns by name: a column that an index is on is not dropped.
CREATE TABLE koyalite.indexes (
    id uuid PRIMARY KEY,
    table_id uuid NOT NULL REFERENCES koyalite.tables (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^[a-z_][a-z0-9_]{0,62}$'),
    columns text[] NOT NULL CHECK (cardinality(columns) > 0),
    is_unique boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (table_id, name)
);
