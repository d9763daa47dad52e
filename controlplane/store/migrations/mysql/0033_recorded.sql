-- Whether a call was recorded, and why not: `cdr::Recorded`; records from before it were not.
ALTER TABLE cdrs ADD COLUMN recorded SMALLINT NOT NULL DEFAULT 0;
