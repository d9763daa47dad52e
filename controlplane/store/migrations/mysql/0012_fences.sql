-- Nodes that were given up: what they held is back with its accounts, and boots up to this one are lent nothing more.
CREATE TABLE node_fences (
    node BIGINT NOT NULL PRIMARY KEY,
    boot BIGINT NOT NULL,
    at BIGINT NOT NULL,
    note VARCHAR(400) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
