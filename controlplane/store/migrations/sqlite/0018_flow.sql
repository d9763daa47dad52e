-- How media flowed: order, copies, bursts of loss (RFC 3611), milliseconds from the answer to the first packet, round trip by RTCP.
ALTER TABLE cdrs ADD COLUMN ingress_reordered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN ingress_duplicates INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN ingress_burst_loss_permille INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN ingress_burst_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN ingress_first_ms INTEGER;
ALTER TABLE cdrs ADD COLUMN ingress_rtt_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN egress_reordered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN egress_duplicates INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN egress_burst_loss_permille INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN egress_burst_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN egress_first_ms INTEGER;
ALTER TABLE cdrs ADD COLUMN egress_rtt_us INTEGER NOT NULL DEFAULT 0;
