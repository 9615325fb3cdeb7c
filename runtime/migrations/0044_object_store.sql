-- The object store that all nodes share, by the number that it holds itself.
CREATE TABLE koyalite.object_store (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id uuid NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What a bucket calls an upload of several parts: until it is complete there is no object to delete, and its
-- parts take room all the same.
ALTER TABLE koyalite.file_contents ADD COLUMN upload text COLLATE "C";

CREATE FUNCTION koyalite_api.note_upload(version uuid, upload text) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE koyalite.file_contents c SET upload = $2
    WHERE c.version = $1 AND c.project_id = koyalite_api.project_id() AND c.sweep_after IS NOT NULL
    RETURNING c.version
$$;
