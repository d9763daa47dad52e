-- What became of the signed identity of a call or an attempt (`cdr::Identity`): its result, the letter that it attests, why it was wrong and
-- where it began; records from before them knew none.
ALTER TABLE cdrs ADD COLUMN identity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN attestation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN identity_doubt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN identity_origin BLOB NOT NULL DEFAULT X'';
