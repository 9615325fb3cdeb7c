-- Whether a table's policies are Postgres' own as well, though not those of all tables of its project.
ALTER TABLE koyalite.tables ADD COLUMN native_mirror boolean NOT NULL DEFAULT false;
