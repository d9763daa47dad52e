-- What media of either side was encrypted with by us (SRTP), by its name in descriptions; empty for media in the clear.
ALTER TABLE cdrs ADD COLUMN ingress_suite TEXT NOT NULL DEFAULT '';
ALTER TABLE cdrs ADD COLUMN egress_suite TEXT NOT NULL DEFAULT '';
