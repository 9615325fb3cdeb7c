-- How the calls of a watched version ended on each node within its window, so that nodes judge it together.
-- Written again every few seconds: what a crash of the server loses is worth nothing by then.
CREATE UNLOGGED TABLE koyalite.watched_calls (
    deployment_id uuid NOT NULL,
    node_id uuid NOT NULL REFERENCES koyalite.nodes (id) ON DELETE CASCADE,
    requests bigint NOT NULL,
    errors bigint NOT NULL,
    slow bigint NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (deployment_id, node_id)
);
CREATE INDEX watched_calls_node_id ON koyalite.watched_calls (node_id);
