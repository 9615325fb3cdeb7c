-- Uploads that go on after they broke off: what has arrived, part by part. Each part is content of its own,
-- known by a row before its first byte and swept when the upload's time is over.

CREATE TABLE koyalite.file_uploads (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    -- Who began it and may go on; NULL: whoever has its address.
    user_id text COLLATE "C",
    path text COLLATE "C" NOT NULL,
    mime_type text COLLATE "C",
    length bigint NOT NULL CHECK (length >= 0),
    received bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    CHECK (received BETWEEN 0 AND length)
);
CREATE INDEX file_uploads_project_id ON koyalite.file_uploads (project_id);
CREATE INDEX file_uploads_expires_at ON koyalite.file_uploads (expires_at);

CREATE TABLE koyalite.file_upload_parts (
    upload_id uuid NOT NULL REFERENCES koyalite.file_uploads (id) ON DELETE CASCADE,
    start bigint NOT NULL,
    size bigint NOT NULL,
    version uuid NOT NULL,
    PRIMARY KEY (upload_id, start)
);

CREATE FUNCTION koyalite_api.begin_upload(
    id uuid, user_id text, path text, mime_type text, length bigint, seconds bigint
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project uuid := koyalite_api.project_id();
    open bigint := (SELECT count(*) FROM koyalite.file_uploads u
        WHERE u.project_id = project AND u.expires_at > clock_timestamp());
BEGIN
    IF open >= 1000 THEN
        RAISE EXCEPTION 'too many' USING ERRCODE = 'KY026';
    END IF;
    INSERT INTO koyalite.file_uploads (id, project_id, user_id, path, mime_type, length, expires_at)
    VALUES ($1, project, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6));
    RETURN $1;
END $$;

-- An upload of the calling project whose time is not over.
CREATE FUNCTION koyalite_api.upload(id uuid)
RETURNS TABLE (user_id text, path text, mime_type text, length bigint, received bigint,
    expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT u.user_id, u.path, u.mime_type, u.length, u.received, u.expires_at
    FROM koyalite.file_uploads u
    WHERE u.id = $1 AND u.project_id = koyalite_api.project_id() AND u.expires_at > clock_timestamp()
$$;

CREATE FUNCTION koyalite_api.upload_parts(id uuid)
RETURNS TABLE (version uuid, size bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.version, p.size FROM koyalite.file_upload_parts p
    JOIN koyalite.file_uploads u ON u.id = p.upload_id
    WHERE u.id = $1 AND u.project_id = koyalite_api.project_id() ORDER BY p.start
$$;

-- Before the first byte of a part: its content's row, to be swept with the upload.
CREATE FUNCTION koyalite_api.begin_part(id uuid, version uuid) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO koyalite.file_contents (version, project_id, sweep_after)
    SELECT $2, u.project_id, u.expires_at + interval '1 hour' FROM koyalite.file_uploads u
    WHERE u.id = $1 AND u.project_id = koyalite_api.project_id()
    RETURNING version
$$;

-- A part has arrived that goes on where the ones before end. Of two at once, one is too late.
CREATE FUNCTION koyalite_api.add_part(id uuid, start bigint, size bigint, version uuid)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    now_received bigint;
BEGIN
    UPDATE koyalite.file_uploads u SET received = u.received + $3
    WHERE u.id = $1 AND u.project_id = koyalite_api.project_id() AND u.received = $2
    RETURNING u.received INTO now_received;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'somewhere else by now' USING ERRCODE = 'KY025';
    END IF;
    INSERT INTO koyalite.file_upload_parts (upload_id, start, size, version) VALUES ($1, $2, $3, $4);
    RETURN now_received;
END $$;

-- The upload is over, one way or the other: its parts may go.
CREATE FUNCTION koyalite_api.end_upload(id uuid) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM koyalite.file_uploads u
    WHERE u.id = $1 AND u.project_id = koyalite_api.project_id() RETURNING u.id
$$;

-- Parts of an upload that is gone go at once.
CREATE FUNCTION koyalite.upload_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE koyalite.file_contents c SET sweep_after = least(c.sweep_after, clock_timestamp())
    WHERE c.version = OLD.version AND c.sweep_after IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER upload_parts_gone AFTER DELETE ON koyalite.file_upload_parts
    FOR EACH ROW EXECUTE FUNCTION koyalite.upload_gone();
