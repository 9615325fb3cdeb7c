-- What nodes say of themselves: where other nodes reach them, which program they run, which state of the
-- control data they serve, whether they still take work, and how old that state may become before they
-- refuse to serve it. A row of a program that knew none of this counts as serving nothing yet.
ALTER TABLE koyalite.nodes
    ADD address text,
    ADD version text NOT NULL DEFAULT '',
    ADD seq bigint NOT NULL DEFAULT 0,
    ADD state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'draining')),
    ADD stale_after_s integer NOT NULL DEFAULT 120;
