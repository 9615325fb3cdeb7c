-- Whether policies read a table past its own policies, inside their subqueries.
ALTER TABLE koyalite.tables ADD COLUMN policy_readable boolean NOT NULL DEFAULT false;
