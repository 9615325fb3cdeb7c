-- How fast an endpoint takes deliveries: so many a minute, evenly, on all nodes together; NULL: as they come.
ALTER TABLE koyalite.webhook_endpoints
    ADD COLUMN rate_per_minute integer CHECK (rate_per_minute BETWEEN 1 AND 60000),
    -- Until when what has left fills its rate.
    ADD COLUMN paced_until timestamptz;
