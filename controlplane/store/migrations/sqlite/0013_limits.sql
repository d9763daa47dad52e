-- What carriers may have over all their trunks; 0 is no limit.
ALTER TABLE carriers ADD COLUMN capacity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN originator_capacity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN ingress_capacity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN ingress_cps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN ingress_cps_window_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN egress_capacity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN egress_cps INTEGER NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN egress_cps_window_s INTEGER NOT NULL DEFAULT 0;
