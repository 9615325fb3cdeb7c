-- One row at most: whoever inserts it gives out the installation's first control token.
CREATE TABLE koyalite.first_token (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    issued_at timestamptz NOT NULL DEFAULT now()
);
