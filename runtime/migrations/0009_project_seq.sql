-- The number of the last change to a project: who follows changes reads again only what has changed.
ALTER TABLE koyalite.projects ADD COLUMN seq bigint NOT NULL DEFAULT 0;
