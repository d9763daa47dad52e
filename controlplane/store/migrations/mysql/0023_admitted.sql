-- A written-off node is refused until somebody admits it again, from its next start on.
ALTER TABLE node_fences ADD COLUMN admitted BIGINT;
UPDATE node_fences SET admitted=at;
