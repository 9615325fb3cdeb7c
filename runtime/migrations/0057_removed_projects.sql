-- Projects that are gone, by the number of the change that removed them: who follows changes asks for those
-- after the last one that they know, and not for all projects there are.
CREATE TABLE koyalite.removed_projects (
    id uuid PRIMARY KEY,
    seq bigint NOT NULL
);
CREATE INDEX removed_projects_seq ON koyalite.removed_projects (seq);
CREATE INDEX projects_seq ON koyalite.projects (seq);
