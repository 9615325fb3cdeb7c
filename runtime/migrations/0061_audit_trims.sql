-- Where a chain begins whose oldest records were cut off: behind this place, which was reached by this
-- hash. One for each chain, signed like a checkpoint; the next cut takes its place.
CREATE TABLE koyalite.audit_trims (
    id uuid PRIMARY KEY,
    -- NULL: of the installation. No reference: a chain outlives its project.
    project_id uuid,
    position bigint NOT NULL CHECK (position > 0),
    hash bytea NOT NULL,
    -- What was cut off was older than this.
    before timestamptz NOT NULL,
    trimmed_at timestamptz NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL,
    UNIQUE NULLS NOT DISTINCT (project_id)
);
