-- Events of tables: written by triggers, so by the very statement that changes the rows.

-- Of a row, the columns of a list.
CREATE FUNCTION koyalite.kept(fields jsonb, columns jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(f.key, f.value), '{}')
    FROM jsonb_each(fields) AS f WHERE columns ? f.key
$$;

-- What a row's change emits. Told by its trigger: the key's columns, and those that any endpoint may see.
-- The project is that of the table's schema, in which nobody but the host makes tables.
CREATE FUNCTION koyalite_api.table_event() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project uuid;
    before jsonb;
    after jsonb;
    data jsonb;
    event koyalite.webhook_events;
BEGIN
    SELECT p.id INTO project FROM koyalite.projects p WHERE p.database_schema = TG_TABLE_SCHEMA;
    IF project IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        before := to_jsonb(OLD);
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        after := to_jsonb(NEW);
    END IF;
    -- What changes nothing is no event. Compared as JSON, for not every type can be compared.
    IF before = after THEN
        RETURN NULL;
    END IF;
    data := jsonb_build_object('table', TG_TABLE_NAME, 'operation', lower(TG_OP),
        'key', koyalite.kept(coalesce(after, before), TG_ARGV[0]::jsonb));
    IF after IS NOT NULL THEN
        data := data || jsonb_build_object('row', koyalite.kept(after, TG_ARGV[1]::jsonb));
    END IF;
    IF before IS NOT NULL THEN
        data := data || jsonb_build_object('old', koyalite.kept(before, TG_ARGV[1]::jsonb));
    END IF;
    INSERT INTO koyalite.webhook_events (id, project_id, event_type, payload)
    VALUES (gen_random_uuid(), project,
        format('table.%s.%s', TG_TABLE_NAME, lower(TG_OP)), data)
    RETURNING * INTO event;
    PERFORM koyalite.fan_out(event);
    RETURN NULL;
END $$;
