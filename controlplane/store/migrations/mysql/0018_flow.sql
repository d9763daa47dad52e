-- How media flowed: order, copies, bursts of loss (RFC 3611), milliseconds from the answer to the first packet, round trip by RTCP.
ALTER TABLE cdrs
    ADD COLUMN ingress_reordered BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN ingress_duplicates BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN ingress_burst_loss_permille SMALLINT NOT NULL DEFAULT 0,
    ADD COLUMN ingress_burst_ms BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN ingress_first_ms BIGINT,
    ADD COLUMN ingress_rtt_us BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN egress_reordered BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN egress_duplicates BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN egress_burst_loss_permille SMALLINT NOT NULL DEFAULT 0,
    ADD COLUMN egress_burst_ms BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN egress_first_ms BIGINT,
    ADD COLUMN egress_rtt_us BIGINT NOT NULL DEFAULT 0;
