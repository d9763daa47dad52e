-- How many of a direction's packets the kernel relayed.
ALTER TABLE cdrs ADD COLUMN ingress_kernel_packets INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cdrs ADD COLUMN egress_kernel_packets INTEGER NOT NULL DEFAULT 0;
