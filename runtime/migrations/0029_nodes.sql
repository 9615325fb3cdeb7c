-- Nodes that serve, each by its last sign of life. What they share, such as a project's rate limits, is
-- divided by how many there are.
CREATE TABLE koyalite.nodes (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    region text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
