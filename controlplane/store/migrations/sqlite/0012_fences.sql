-- Nodes that were given up: what they held is back with its accounts, and boots up to this one are lent nothing more.
CREATE TABLE node_fences (
    node INTEGER NOT NULL PRIMARY KEY,
    boot INTEGER NOT NULL,
    at INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
