-- Preview URLs that were taken back one by one, until they would be over anyway.
CREATE TABLE koyalite.revoked_previews (
    function_id uuid NOT NULL REFERENCES koyalite.functions (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (function_id, id)
);
