-- Where a function's component was fetched from; NULL: it was uploaded.
ALTER TABLE koyalite.functions ADD COLUMN source_url text CHECK (length(source_url) <= 2048);
