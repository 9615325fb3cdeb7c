-- What is known of a message that was cut off: it may have arrived. Where bounces go to, and how a sender's
-- mail is signed.

ALTER TABLE koyalite.email_logs
    -- Nobody can tell whether it arrived, so it is not sent again by itself.
    ADD COLUMN ambiguous boolean NOT NULL DEFAULT false;

ALTER TABLE koyalite.email_senders
    -- The address that bounces go to, with the message's id behind a plus sign; NULL: the sender's own, plain.
    ADD COLUMN return_path text,
    -- The private key of its DKIM signatures, sealed by the key ring with this row's id as associated data.
    ADD COLUMN dkim_key bytea,
    ADD COLUMN dkim_selector text,
    ADD COLUMN dkim_algorithm text CHECK (dkim_algorithm IN ('rsa-sha256', 'ed25519-sha256')),
    -- What the record in its domain's DNS has to say.
    ADD COLUMN dkim_record text,
    ADD CHECK (num_nulls(dkim_key, dkim_selector, dkim_algorithm, dkim_record) IN (0, 4));
