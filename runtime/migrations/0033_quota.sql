-- The quotas of what a project sends, counted in one place.

-- Raises where a limit is reached: with its name, what it is, and the seconds until there is room. Told the
-- time of the thing that has to be older than `span` before there can be one more; NULL: there are not so many.
CREATE FUNCTION koyalite.within_quota(name text, most bigint, span interval, oldest timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF oldest IS NULL AND most > 0 THEN
        RETURN;
    END IF;
    RAISE EXCEPTION '%', format('%s %s %s', name, most, greatest(1, ceil(extract(
        epoch FROM coalesce(oldest, clock_timestamp()) + span - clock_timestamp()))))
        USING ERRCODE = 'KY012';
END $$;

-- As before, with the quota told by that function.
CREATE OR REPLACE FUNCTION koyalite_api.emit_webhook(
    event_type text, payload jsonb, idempotency_key text, user_id text,
    id uuid, function text, invocation_id uuid
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project koyalite.projects := koyalite.calling_project();
    most bigint;
    event koyalite.webhook_events;
BEGIN
    IF project.id IS NULL THEN
        RAISE EXCEPTION 'only a project emits events' USING ERRCODE = '42501';
    END IF;
    most := coalesce((project.settings ->> 'webhook_events_per_minute')::bigint, 1000);
    PERFORM koyalite.within_quota('webhook_events_per_minute', most, interval '1 minute', (
        SELECT e.created_at FROM koyalite.webhook_events e
        WHERE e.project_id = project.id AND e.created_at > clock_timestamp() - interval '1 minute'
        ORDER BY e.created_at DESC OFFSET greatest(most - 1, 0) LIMIT 1));
    INSERT INTO koyalite.webhook_events
        (id, project_id, event_type, payload, idempotency_key, user_id, function, invocation_id)
    VALUES ($5, project.id, $1, $2, $3, $4, $6, $7)
    ON CONFLICT DO NOTHING RETURNING * INTO event;
    IF event.id IS NOT NULL THEN
        PERFORM koyalite.fan_out(event);
        RETURN event.id;
    END IF;
    SELECT * INTO event FROM koyalite.webhook_events e
    WHERE e.project_id = project.id AND e.idempotency_key = $3;
    IF event.event_type IS DISTINCT FROM $1 OR event.payload IS DISTINCT FROM $2
        OR event.user_id IS DISTINCT FROM $4 THEN
        RAISE EXCEPTION 'this idempotency key is another event''s' USING ERRCODE = 'KY011';
    END IF;
    RETURN event.id;
END $$;

CREATE OR REPLACE FUNCTION koyalite_api.send_email(
    recipient text, recipient_domain text, sender text, subject text, template text, user_id text,
    id uuid, function text, invocation_id uuid, sender_name text, reply_to text, body_text text,
    body_html text, template_id uuid, idempotency_key text
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project koyalite.projects := koyalite.calling_project();
    most bigint;
    message koyalite.email_logs;
    stands_for text := encode(sha256(convert_to(
        jsonb_build_array($1, $3, $4, $6, $11, $12, $13)::text, 'UTF8')), 'hex');
BEGIN
    IF NOT EXISTS (SELECT FROM koyalite.email_senders s
        WHERE s.project_id = project.id AND s.address = $3) THEN
        RAISE EXCEPTION 'not an address of this project' USING ERRCODE = '42501';
    END IF;
    most := coalesce((project.settings ->> 'emails_per_hour')::bigint, 500);
    PERFORM koyalite.within_quota('emails_per_hour', most, interval '1 hour', (
        SELECT e.created_at FROM koyalite.email_logs e
        WHERE e.project_id = project.id AND e.created_at > clock_timestamp() - interval '1 hour'
        ORDER BY e.created_at DESC OFFSET greatest(most - 1, 0) LIMIT 1));
    INSERT INTO koyalite.email_logs
        (id, project_id, user_id, recipient, sender, sender_name, reply_to, subject, body_text,
         body_html, template, template_id, status, reason, idempotency_key, digest, function,
         invocation_id)
    SELECT $7, project.id, $6, $1, $3, $10, $11, $4,
        $12, $13, $5, $14,
        CASE WHEN s.address IS NULL THEN 'queued' ELSE 'suppressed' END, s.reason, $15, stands_for,
        $8, $9
    FROM (SELECT) AS one LEFT JOIN koyalite.email_suppressions s
        ON s.project_id = project.id AND s.address = lower($1)
    ON CONFLICT DO NOTHING RETURNING * INTO message;
    IF message.id IS NULL THEN
        SELECT * INTO message FROM koyalite.email_logs e
        WHERE e.project_id = project.id AND e.idempotency_key = $15;
        IF message.digest IS DISTINCT FROM stands_for THEN
            RAISE EXCEPTION 'this idempotency key is another message''s' USING ERRCODE = 'KY011';
        END IF;
    END IF;
    RETURN message.id;
END $$;
