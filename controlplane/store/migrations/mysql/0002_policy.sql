-- Signalling policies as JSON; empty where everything is at its default.
ALTER TABLE ingress_trunks ADD COLUMN policy LONGTEXT NOT NULL DEFAULT '';
ALTER TABLE egress_trunks ADD COLUMN policy LONGTEXT NOT NULL DEFAULT '';
ALTER TABLE plans ADD COLUMN policy LONGTEXT NOT NULL DEFAULT '';
