-- Where a key's requests may come from: addresses and networks with spaces between; empty for anywhere.
ALTER TABLE api_keys ADD COLUMN IF NOT EXISTS networks VARCHAR(2000) NOT NULL DEFAULT '';
