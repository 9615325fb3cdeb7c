-- Which columns a policy covers (NULL: all), and what the host writes by itself: column to expression.
ALTER TABLE koyalite.policies
    ADD COLUMN read_columns text[] CHECK (cardinality(read_columns) > 0),
    ADD COLUMN write_columns text[],
    ADD COLUMN presets jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(presets) = 'object');

-- The claims that a project declares, by name. Empty: it declares none, and policies may read any.
ALTER TABLE koyalite.projects
    ADD COLUMN claims jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(claims) = 'object');

-- More types, arrays of them, and texts whose values are listed.
ALTER TABLE koyalite.columns
    DROP CONSTRAINT columns_type_check,
    ADD CONSTRAINT columns_type_check CHECK (type ~ ('^((boolean|smallint|integer|bigint|real|'
        || 'double precision|numeric|text|uuid|bytea|json|jsonb|date|time|timestamptz)(\[\])?|'
        || 'vector\([0-9]{1,5}\))$')),
    ADD COLUMN listed_values text[] CHECK (cardinality(listed_values) > 0
        AND (type = 'text' OR listed_values IS NULL));
