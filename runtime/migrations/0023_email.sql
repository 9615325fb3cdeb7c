-- Mail that functions send: from whom, by which templates, to whom not, and every message with what became
-- of it. As with events, a message is a row of the statement or transaction that sent it.

-- Addresses that a project may send from. The oldest is the one where none is named.
CREATE TABLE koyalite.email_senders (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    address text NOT NULL,
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (project_id, address)
);

CREATE TABLE koyalite.email_templates (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    subject text NOT NULL,
    body_text text,
    body_html text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, name),
    CHECK (body_text IS NOT NULL OR body_html IS NOT NULL)
);

-- Addresses, in lower case, that take no mail.
CREATE TABLE koyalite.email_suppressions (
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    address text NOT NULL,
    reason text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, address)
);

CREATE TABLE koyalite.email_logs (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    user_id text,
    recipient text NOT NULL,
    sender text NOT NULL,
    sender_name text NOT NULL,
    reply_to text,
    subject text NOT NULL,
    -- Gone once it is sent, unless it was caught.
    body_text text,
    body_html text,
    template text,
    template_id uuid REFERENCES koyalite.email_templates (id) ON DELETE SET NULL,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN
        ('queued', 'sending', 'sent', 'deferred', 'bounced', 'suppressed', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    last_attempt_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text,
    smtp_status integer,
    -- Kept in the local mailbox in place of being sent.
    caught boolean NOT NULL DEFAULT false,
    -- Whether the attempt got as far as the content: then it may have arrived, whatever is known.
    content_begun boolean NOT NULL DEFAULT false,
    idempotency_key text,
    -- What the key stands for.
    digest text NOT NULL,
    function text,
    invocation_id uuid,
    fence bigint,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((status = 'sending') = (lease_until IS NOT NULL))
);
CREATE UNIQUE INDEX email_logs_key ON koyalite.email_logs (project_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX email_logs_due ON koyalite.email_logs (next_attempt_at)
    WHERE status IN ('queued', 'deferred');
CREATE INDEX email_logs_sending ON koyalite.email_logs (lease_until) WHERE status = 'sending';
CREATE INDEX email_logs_project_id ON koyalite.email_logs (project_id, number);
CREATE INDEX email_logs_created_at ON koyalite.email_logs (project_id, created_at);

-- From whom and by what a message of the calling project would go.
CREATE FUNCTION koyalite_api.email_context(wanted_sender text, wanted_template text)
RETURNS TABLE (sender text, sender_name text, template_id uuid, subject text, body_text text,
    body_html text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.address, s.name, t.id, t.subject, t.body_text, t.body_html
    FROM koyalite.email_senders s
    LEFT JOIN koyalite.email_templates t ON t.project_id = s.project_id AND t.name = $2
    WHERE s.project_id = (koyalite.calling_project()).id AND ($1 IS NULL OR s.address = $1)
    ORDER BY s.created_at, s.id LIMIT 1
$$;

-- Sends a message of the calling project, once for each idempotency key.
CREATE FUNCTION koyalite_api.send_email(
    recipient text, recipient_domain text, sender text, subject text, template text, user_id text,
    id uuid, function text, invocation_id uuid, sender_name text, reply_to text, body_text text,
    body_html text, template_id uuid, idempotency_key text
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project koyalite.projects := koyalite.calling_project();
    most bigint;
    oldest timestamptz;
    sent bigint;
    message koyalite.email_logs;
    stands_for text := encode(sha256(convert_to(
        jsonb_build_array($1, $3, $4, $6, $11, $12, $13)::text, 'UTF8')), 'hex');
BEGIN
    IF NOT EXISTS (SELECT FROM koyalite.email_senders s
        WHERE s.project_id = project.id AND s.address = $3) THEN
        RAISE EXCEPTION 'not an address of this project' USING ERRCODE = '42501';
    END IF;
    most := coalesce((project.settings ->> 'emails_per_hour')::bigint, 500);
    SELECT count(*), min(e.created_at) INTO sent, oldest FROM (
        SELECT e.created_at FROM koyalite.email_logs e
        WHERE e.project_id = project.id AND e.created_at > clock_timestamp() - interval '1 hour'
        ORDER BY e.created_at DESC LIMIT most
    ) e;
    IF sent >= most THEN
        RAISE EXCEPTION '%', format('emails_per_hour %s %s', most,
            greatest(1, ceil(3600 - extract(epoch FROM clock_timestamp() - coalesce(oldest, clock_timestamp())))))
            USING ERRCODE = 'KY012';
    END IF;
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

-- A message of the calling project and what became of it.
CREATE FUNCTION koyalite_api.email_message(id uuid)
RETURNS TABLE (recipient text, recipient_domain text, sender text, subject text, template text,
    user_id text, state text, attempts integer, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.recipient, split_part(e.recipient, '@', 2), e.sender, e.subject, e.template, e.user_id,
        e.status, e.attempts, e.reason
    FROM koyalite.email_logs e
    WHERE e.id = $1 AND e.project_id = (koyalite.calling_project()).id
$$;
