-- How many of a direction's packets the kernel relayed.
ALTER TABLE cdrs
    ADD COLUMN ingress_kernel_packets BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN egress_kernel_packets BIGINT NOT NULL DEFAULT 0;
