-- Where a key's requests may come from: addresses and networks with spaces between; empty for anywhere.
ALTER TABLE api_keys ADD COLUMN networks TEXT NOT NULL DEFAULT '';
