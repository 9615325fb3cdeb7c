-- Deliveries of one endpoint that wait for each other only where they are about the same.

ALTER TABLE koyalite.webhook_endpoints
    -- Where in a payload it stands what a delivery is about: names joined by dots; NULL: nowhere.
    ADD COLUMN order_key text;

ALTER TABLE koyalite.webhooks
    -- A hash of what stands there, in this event; NULL: it waits for none.
    ADD COLUMN order_value bytea;
CREATE INDEX webhooks_order_value ON koyalite.webhooks (endpoint_id, order_value, number)
    WHERE order_value IS NOT NULL AND status IN ('pending', 'sending');

CREATE OR REPLACE FUNCTION koyalite.fan_out(event koyalite.webhook_events) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO koyalite.webhooks (id, project_id, event_id, endpoint_id, order_value)
    SELECT gen_random_uuid(), event.project_id, event.id, e.id,
        sha256(convert_to(event.payload #>> string_to_array(e.order_key, '.'), 'UTF8'))
    FROM koyalite.webhook_endpoints e
    WHERE e.project_id = event.project_id AND e.enabled
      AND koyalite.subscribed(e.event_types, event.event_type)
$$;
