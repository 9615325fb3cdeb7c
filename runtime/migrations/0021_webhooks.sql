-- The outbox: events that functions and tables emit, where they go, and each delivery. An event and its
-- deliveries are written by the statement that it speaks of; what is rolled back was never there.

CREATE TABLE koyalite.webhook_endpoints (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    target_url text NOT NULL CHECK (length(target_url) <= 2048),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 500),
    -- Whole types, or `something.*` for all that begin so, or `*` for all but those of tables.
    event_types text[] NOT NULL CHECK (cardinality(event_types) > 0),
    -- Columns of tables that its table events may carry: {"todos": ["id", "title"]}.
    columns jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(columns) = 'object'),
    signature text NOT NULL CHECK (signature IN ('hmac-sha256', 'ed25519')),
    -- Sealed by the key ring, with this row's id as associated data.
    secret bytea NOT NULL,
    -- The one before the last rotation, good for signing until its time.
    previous_secret bytea,
    previous_until timestamptz,
    -- One delivery after the other, each waiting for the one before.
    ordered boolean NOT NULL DEFAULT false,
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text,
    -- The circuit breaker: failures in a row, since when, and until when nothing is tried.
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    open_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);
CREATE INDEX webhook_endpoints_project_id ON koyalite.webhook_endpoints (project_id);

CREATE TABLE koyalite.webhook_events (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    event_type text NOT NULL,
    payload jsonb NOT NULL,
    idempotency_key text,
    -- Whom the emitting function acted for; NULL: nobody, or a service.
    user_id text,
    -- Which function and invocation emitted it; NULL: a table did.
    function text,
    invocation_id uuid,
    -- The moment, not the transaction's start: it is what the quota counts.
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX webhook_events_key ON koyalite.webhook_events (project_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX webhook_events_created_at ON koyalite.webhook_events (project_id, created_at);

-- One delivery to one endpoint.
CREATE TABLE koyalite.webhooks (
    id uuid PRIMARY KEY,
    -- The order of deliveries: of an ordered endpoint, and of lists.
    number bigint GENERATED ALWAYS AS IDENTITY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    event_id uuid NOT NULL REFERENCES koyalite.webhook_events (id) ON DELETE CASCADE,
    endpoint_id uuid NOT NULL REFERENCES koyalite.webhook_endpoints (id) ON DELETE CASCADE,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'sending', 'delivered', 'dead')),
    -- All attempts, and those since the schedule of retries began anew.
    attempt_count integer NOT NULL DEFAULT 0,
    retries integer NOT NULL DEFAULT 0,
    last_attempt_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What the last attempt came to.
    response_status integer,
    response_snippet text,
    reason text,
    fence bigint,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (event_id, endpoint_id),
    CHECK ((status = 'sending') = (lease_until IS NOT NULL))
);
CREATE INDEX webhooks_due ON koyalite.webhooks (endpoint_id, next_attempt_at)
    WHERE status = 'pending';
CREATE INDEX webhooks_sending ON koyalite.webhooks (endpoint_id) WHERE status = 'sending';
CREATE INDEX webhooks_project_id ON koyalite.webhooks (project_id, number);
CREATE INDEX webhooks_endpoint_id ON koyalite.webhooks (endpoint_id, number);

-- Whether an endpoint has subscribed to a type.
CREATE FUNCTION koyalite.subscribed(event_types text[], event_type text) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT EXISTS (
        SELECT FROM unnest(event_types) AS wanted
        WHERE wanted = event_type
           OR (wanted = '*' AND event_type NOT LIKE 'table.%')
           OR (right(wanted, 2) = '.*' AND starts_with(event_type, left(wanted, -1)))
    )
$$;

-- The deliveries of an event that has been written.
CREATE FUNCTION koyalite.fan_out(event koyalite.webhook_events) RETURNS void
LANGUAGE sql VOLATILE AS $$
    INSERT INTO koyalite.webhooks (id, project_id, event_id, endpoint_id)
    SELECT gen_random_uuid(), event.project_id, event.id, e.id
    FROM koyalite.webhook_endpoints e
    WHERE e.project_id = event.project_id AND e.enabled
      AND koyalite.subscribed(e.event_types, event.event_type)
$$;

-- The project that calls: known by its role, never by what it says.
CREATE FUNCTION koyalite.calling_project() RETURNS koyalite.projects
LANGUAGE sql STABLE AS $$
    SELECT * FROM koyalite.projects WHERE database_role = session_user
$$;

-- Emits an event of the calling project, once for each idempotency key.
CREATE FUNCTION koyalite_api.emit_webhook(
    event_type text, payload jsonb, idempotency_key text, user_id text,
    id uuid, function text, invocation_id uuid
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project koyalite.projects := koyalite.calling_project();
    most bigint;
    oldest timestamptz;
    emitted bigint;
    event koyalite.webhook_events;
BEGIN
    IF project.id IS NULL THEN
        RAISE EXCEPTION 'only a project emits events' USING ERRCODE = '42501';
    END IF;
    most := coalesce((project.settings ->> 'webhook_events_per_minute')::bigint, 1000);
    SELECT count(*), min(e.created_at) INTO emitted, oldest FROM (
        SELECT e.created_at FROM koyalite.webhook_events e
        WHERE e.project_id = project.id AND e.created_at > clock_timestamp() - interval '1 minute'
        ORDER BY e.created_at DESC LIMIT most
    ) e;
    IF emitted >= most THEN
        RAISE EXCEPTION '%', format('webhook_events_per_minute %s %s', most,
            greatest(1, ceil(60 - extract(epoch FROM clock_timestamp() - coalesce(oldest, clock_timestamp())))))
            USING ERRCODE = 'KY012';
    END IF;
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

-- An event of the calling project and what became of it.
CREATE FUNCTION koyalite_api.webhook_event(id uuid)
RETURNS TABLE (event_type text, payload jsonb, idempotency_key text, user_id text,
    pending integer, delivered integer, dead integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.event_type, e.payload, e.idempotency_key, e.user_id,
        count(w.id) FILTER (WHERE w.status IN ('pending', 'sending'))::integer,
        count(w.id) FILTER (WHERE w.status = 'delivered')::integer,
        count(w.id) FILTER (WHERE w.status = 'dead')::integer
    FROM koyalite.webhook_events e LEFT JOIN koyalite.webhooks w ON w.event_id = e.id
    WHERE e.id = $1 AND e.project_id = (koyalite.calling_project()).id
    GROUP BY e.id
$$;
