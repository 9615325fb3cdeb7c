-- Files: what each is called and whose it is. The row is the truth; content lies outside, under keys that
-- are never written twice.

-- Content that was begun, is in use, or is to go. Written before the first byte, so that whatever a crash
-- leaves behind is known by a row.
CREATE TABLE koyalite.file_contents (
    -- The key of the content, and the version of every file that has it.
    version uuid PRIMARY KEY,
    -- Not a reference: content outlives its project until it is swept.
    project_id uuid NOT NULL,
    -- When it may be swept; NULL: files have it.
    sweep_after timestamptz,
    -- Being swept: no file can have it any more.
    sweeping boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX file_contents_sweep_after ON koyalite.file_contents (sweep_after)
    WHERE sweep_after IS NOT NULL;

CREATE TABLE koyalite.files (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    -- Whose it is; NULL: nobody's, or a service's.
    user_id text COLLATE "C",
    path text COLLATE "C" NOT NULL,
    -- The path in lower case: two that differ in nothing else would be one on many machines.
    folded text COLLATE "C" NOT NULL,
    mime_type text COLLATE "C" NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    version uuid NOT NULL REFERENCES koyalite.file_contents (version),
    sha256 text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (project_id, path),
    UNIQUE (project_id, folded)
);
CREATE INDEX files_version ON koyalite.files (version);
CREATE INDEX files_user_id ON koyalite.files (user_id, id) WHERE user_id IS NOT NULL;

-- What a project's files come to, kept by the trigger below.
CREATE TABLE koyalite.file_usage (
    project_id uuid PRIMARY KEY REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    bytes bigint NOT NULL DEFAULT 0,
    files bigint NOT NULL DEFAULT 0
);

-- Signed URLs for one upload that have been used.
CREATE TABLE koyalite.file_tickets (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES koyalite.projects (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX file_tickets_expires_at ON koyalite.file_tickets (expires_at);

-- Counts, and lets go of content that no file has any longer. Readers that have begun may finish; what is
-- left of a deleted project goes at once.
CREATE FUNCTION koyalite.file_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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
        UPDATE koyalite.file_contents c SET sweep_after = clock_timestamp() + kept
        WHERE c.version = OLD.version
          AND NOT EXISTS (SELECT FROM koyalite.files f WHERE f.version = OLD.version);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER files_changed AFTER INSERT OR UPDATE OR DELETE ON koyalite.files
    FOR EACH ROW EXECUTE FUNCTION koyalite.file_changed();

-- The id of the project that calls.
CREATE FUNCTION koyalite_api.project_id() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT (koyalite.calling_project()).id
$$;

-- The files of the calling project, as policies see them.
CREATE VIEW koyalite_api.files AS
SELECT f.id, f.user_id, f.path,
    (CASE WHEN strpos(f.path, '/') > 0 THEN split_part(f.path, '/', 1) ELSE '' END) COLLATE "C" AS folder,
    f.mime_type, f.size, f.created_at, f.updated_at, f.version, f.sha256,
    replace(f.version::text, '-', '') COLLATE "C" AS etag
FROM koyalite.files f WHERE f.project_id = (SELECT koyalite_api.project_id());
GRANT SELECT ON koyalite_api.files TO PUBLIC;

-- For how many bytes more there is room; raises where there is none for so many.
CREATE FUNCTION koyalite.file_room(project koyalite.projects, more bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    most bigint := coalesce((project.settings #>> '{files,quota_mib}')::bigint, 10240) * 1048576;
    used bigint := coalesce(
        (SELECT u.bytes FROM koyalite.file_usage u WHERE u.project_id = project.id), 0);
BEGIN
    IF used + more > most THEN
        RAISE EXCEPTION '%', most USING ERRCODE = 'KY021';
    END IF;
    RETURN most - used;
END $$;

-- Before the first byte: the content's row. What a crash leaves is swept a day later. Answers for how many
-- bytes there is room.
CREATE FUNCTION koyalite_api.begin_file(
    user_id text, path text, folder text, mime_type text, size bigint, created_at timestamptz,
    version uuid, sha256 text, etag text, replaced_bytes bigint
) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project koyalite.projects := koyalite.calling_project();
    room bigint := koyalite.file_room(project, $5 - $10);
BEGIN
    INSERT INTO koyalite.file_contents (version, project_id, sweep_after)
    VALUES ($7, project.id, clock_timestamp() + interval '1 day');
    RETURN room + $10;
END $$;

-- After the last byte: the file is what was written. `seen` is the version that was there when it was
-- decided, NULL for none; where it is another by now, nobody has decided.
CREATE FUNCTION koyalite_api.commit_file(
    user_id text, path text, folder text, mime_type text, size bigint, created_at timestamptz,
    version uuid, sha256 text, etag text,
    id uuid, folded text, seen uuid, ticket uuid, ticket_expires timestamptz
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    project koyalite.projects := koyalite.calling_project();
    old koyalite.files;
BEGIN
    SELECT * INTO old FROM koyalite.files f
        WHERE f.project_id = project.id AND f.path = $2 FOR UPDATE;
    IF old.version IS DISTINCT FROM $12 THEN
        RAISE EXCEPTION 'another version by now' USING ERRCODE = 'KY022';
    END IF;
    -- One after the other, so that together they stay within the quota.
    PERFORM FROM koyalite.file_usage u WHERE u.project_id = project.id FOR UPDATE;
    PERFORM koyalite.file_room(project, $5 - coalesce(old.size, 0));
    UPDATE koyalite.file_contents c SET sweep_after = NULL
        WHERE c.version = $7 AND c.project_id = project.id AND NOT c.sweeping;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'its content was swept' USING ERRCODE = 'KY023';
    END IF;
    IF $13 IS NOT NULL THEN
        INSERT INTO koyalite.file_tickets (id, project_id, expires_at)
        VALUES ($13, project.id, $14) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'used before' USING ERRCODE = 'KY024';
        END IF;
    END IF;
    IF old.id IS NULL THEN
        INSERT INTO koyalite.files (id, project_id, user_id, path, folded, mime_type, size, version,
            sha256, created_at)
        VALUES ($10, project.id, $1, $2, $11, $4, $5, $7, $8, $6);
        RETURN $10;
    END IF;
    UPDATE koyalite.files f SET user_id = $1, mime_type = $4, size = $5, version = $7, sha256 = $8,
        updated_at = clock_timestamp()
    WHERE f.id = old.id;
    RETURN old.id;
END $$;

-- Another path for a file.
CREATE FUNCTION koyalite_api.move_file(
    user_id text, path text, folder text, mime_type text, size bigint, created_at timestamptz,
    version uuid, sha256 text, etag text, id uuid, folded text, seen uuid
) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE koyalite.files f SET path = $2, folded = $11, updated_at = clock_timestamp()
    WHERE f.id = $10 AND f.version = $12 AND f.project_id = koyalite_api.project_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another version by now' USING ERRCODE = 'KY022';
    END IF;
    RETURN $10;
END $$;

-- The same, for what `id` and `seen` say is there still.
CREATE FUNCTION koyalite_api.delete_file(id uuid, seen uuid) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM koyalite.files f
    WHERE f.id = $1 AND f.version = $2 AND f.project_id = koyalite_api.project_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'another version by now' USING ERRCODE = 'KY022';
    END IF;
    RETURN $1;
END $$;

-- Content that was begun and will not be a file: it may go at once.
CREATE FUNCTION koyalite_api.drop_content(version uuid) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE koyalite.file_contents c SET sweep_after = clock_timestamp()
    WHERE c.version = $1 AND c.project_id = koyalite_api.project_id() AND c.sweep_after IS NOT NULL
    RETURNING c.version
$$;
