-- What messages carry: contents of files, as they were when the message was queued.

CREATE TABLE koyalite.email_attachments (
    message_id uuid NOT NULL REFERENCES koyalite.email_logs (id) ON DELETE CASCADE,
    position integer NOT NULL,
    name text COLLATE "C" NOT NULL,
    mime_type text COLLATE "C" NOT NULL,
    size bigint NOT NULL,
    version uuid NOT NULL REFERENCES koyalite.file_contents (version),
    PRIMARY KEY (message_id, position)
);
CREATE INDEX email_attachments_version ON koyalite.email_attachments (version);

-- Lets go of content that no file and no message has any longer, once its readers may be through with it.
CREATE FUNCTION koyalite.let_go(content uuid, kept interval) RETURNS void LANGUAGE sql AS $$
    UPDATE koyalite.file_contents c SET sweep_after = clock_timestamp() + kept
    WHERE c.version = content
      AND NOT EXISTS (SELECT FROM koyalite.files f WHERE f.version = content)
      AND NOT EXISTS (SELECT FROM koyalite.email_attachments a WHERE a.version = content)
$$;

CREATE OR REPLACE FUNCTION koyalite.file_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    project uuid := coalesce(NEW.project_id, OLD.project_id);
    kept interval := interval '6 hours';
BEGIN
    IF NOT EXISTS (SELECT FROM koyalite.projects WHERE id = project) THEN
        kept := interval '0';
    ELSE
        INSERT INTO koyalite.file_usage AS u (project_id, bytes, files)
        VALUES (project, coalesce(NEW.size, 0) - coalesce(OLD.size, 0),
            (NEW.id IS NOT NULL)::int - (OLD.id IS NOT NULL)::int)
        ON CONFLICT (project_id) DO UPDATE
            SET bytes = u.bytes + excluded.bytes, files = u.files + excluded.files;
    END IF;
    IF OLD.version IS NOT NULL AND OLD.version IS DISTINCT FROM NEW.version THEN
        PERFORM koyalite.let_go(OLD.version, kept);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION koyalite.attachment_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM koyalite.let_go(OLD.version, interval '0');
    RETURN NULL;
END $$;
CREATE TRIGGER email_attachments_gone AFTER DELETE ON koyalite.email_attachments
    FOR EACH ROW EXECUTE FUNCTION koyalite.attachment_gone();

-- Sends a message with what it carries: a JSON array of objects with `name`, `mime_type`, `size` and
-- `version`, which the caller may read as the host has decided.
CREATE FUNCTION koyalite_api.send_email(
    recipient text, recipient_domain text, sender text, subject text, template text, user_id text,
    id uuid, function text, invocation_id uuid, sender_name text, reply_to text, body_text text,
    body_html text, template_id uuid, idempotency_key text, attachments text
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project koyalite.projects := koyalite.calling_project();
    most bigint;
    message koyalite.email_logs;
    carried jsonb := $16::jsonb;
    words jsonb := jsonb_build_array($1, $3, $4, $6, $11, $12, $13);
    stands_for text;
    part record;
BEGIN
    -- What carries nothing stands for what it stood for before messages could carry anything.
    IF jsonb_array_length(carried) > 0 THEN
        words := words || jsonb_build_array(carried);
    END IF;
    stands_for := encode(sha256(convert_to(words::text, 'UTF8')), 'hex');
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
        RETURN message.id;
    END IF;
    FOR part IN SELECT a.value ->> 'name' AS name, a.value ->> 'mime_type' AS mime_type,
            (a.value ->> 'size')::bigint AS size, (a.value ->> 'version')::uuid AS version,
            a.ordinality AS position
        FROM jsonb_array_elements(carried) WITH ORDINALITY AS a
    LOOP
        -- Holds the content, so that it is either taken up here or swept, and not both. Shared as long as a
        -- file has it: messages that carry the same file do not wait for each other.
        PERFORM FROM koyalite.file_contents c WHERE c.version = part.version
            AND c.project_id = project.id AND c.sweep_after IS NULL AND NOT c.sweeping FOR SHARE;
        IF NOT FOUND THEN
            UPDATE koyalite.file_contents c SET sweep_after = NULL
                WHERE c.version = part.version AND c.project_id = project.id AND NOT c.sweeping;
        END IF;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'its content was swept' USING ERRCODE = 'KY023';
        END IF;
        INSERT INTO koyalite.email_attachments (message_id, position, name, mime_type, size, version)
        VALUES (message.id, part.position, part.name, part.mime_type, part.size, part.version);
    END LOOP;
    RETURN message.id;
END $$;

-- What nodes of the release before ask for.
CREATE OR REPLACE FUNCTION koyalite_api.send_email(
    recipient text, recipient_domain text, sender text, subject text, template text, user_id text,
    id uuid, function text, invocation_id uuid, sender_name text, reply_to text, body_text text,
    body_html text, template_id uuid, idempotency_key text
) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT koyalite_api.send_email($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, '[]')
$$;
