-- What media of either side was encrypted with by us (SRTP), by its name in descriptions; empty for media in the clear.
ALTER TABLE cdrs
    ADD COLUMN ingress_suite VARCHAR(32) NOT NULL DEFAULT '',
    ADD COLUMN egress_suite VARCHAR(32) NOT NULL DEFAULT '';
