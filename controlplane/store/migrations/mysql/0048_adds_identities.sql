-- What became of the signed identity of a call or an attempt (`cdr::Identity`): its result, the letter that it attests, why it was wrong and
-- where it began; records from before them knew none.
ALTER TABLE cdrs
    ADD COLUMN IF NOT EXISTS identity SMALLINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS attestation SMALLINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS identity_doubt SMALLINT NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS identity_origin VARBINARY(16) NOT NULL DEFAULT '';
