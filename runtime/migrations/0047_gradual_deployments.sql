-- A deployment is one version, or two: the second, a canary, takes so many percent of the calls. What it is
-- compared by, when it is taken back by itself, and why it was made stand beside it.
ALTER TABLE koyalite.deployments
    ADD COLUMN canary_version_id uuid,
    ADD COLUMN canary_weight integer CHECK (canary_weight BETWEEN 1 AND 99),
    -- `header:NAME`, `cookie:NAME` or `claim:NAME`: callers with the same value have the same version.
    ADD COLUMN affinity text CHECK (length(affinity) BETWEEN 1 AND 200),
    ADD COLUMN auto_rollback jsonb CHECK (jsonb_typeof(auto_rollback) = 'object'),
    ADD COLUMN message text CHECK (length(message) BETWEEN 1 AND 500),
    -- Both NULL in deployments of before.
    ADD COLUMN cause text
        CHECK (cause IN ('deploy', 'weights', 'promote', 'rollback', 'automatic_rollback')),
    ADD COLUMN actor text,
    ADD CHECK ((canary_version_id IS NULL) = (canary_weight IS NULL)),
    ADD CHECK (canary_version_id <> version_id),
    ADD FOREIGN KEY (function_id, canary_version_id)
        REFERENCES koyalite.versions (function_id, id);
CREATE INDEX deployments_canary_version_id ON koyalite.deployments (canary_version_id)
    WHERE canary_version_id IS NOT NULL;

-- Preview URLs carry the number of their time; the next number ends all of them.
ALTER TABLE koyalite.functions ADD COLUMN preview_epoch integer NOT NULL DEFAULT 1;
