-- What was looked at when an import was approved: a digest of what it would have changed; empty without an approval.
ALTER TABLE imports ADD COLUMN seen VARCHAR(64) NOT NULL DEFAULT '';
-- The user who is responsible for a template; 0 for one that no user has written.
ALTER TABLE deck_templates ADD COLUMN made_by BIGINT NOT NULL DEFAULT 0;
