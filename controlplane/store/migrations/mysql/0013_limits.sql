-- What carriers may have over all their trunks; 0 is no limit.
ALTER TABLE carriers ADD COLUMN capacity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN originator_capacity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN ingress_capacity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN ingress_cps BIGINT NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN ingress_cps_window_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN egress_capacity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN egress_cps BIGINT NOT NULL DEFAULT 0;
ALTER TABLE carriers ADD COLUMN egress_cps_window_s BIGINT NOT NULL DEFAULT 0;
