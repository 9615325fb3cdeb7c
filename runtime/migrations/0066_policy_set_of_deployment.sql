-- The policies that a deployment began with, beside those that it ended with: a version is its component, its
-- manifest and these. NULL in deployments of before.
ALTER TABLE koyalite.deployments
    ADD COLUMN first_policy_set_id uuid REFERENCES koyalite.policy_sets (id);
