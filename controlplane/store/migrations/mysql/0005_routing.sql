-- Groups of egress trunks, failover plans, and rules of plans and routes as JSON; empty where everything is at its default.
CREATE TABLE trunk_groups (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARCHAR(64) NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- nodes: those of the member's site, parted by spaces.
CREATE TABLE trunk_group_members (
    trunk_group BIGINT NOT NULL,
    position BIGINT NOT NULL,
    egress_trunk BIGINT NOT NULL,
    priority SMALLINT NOT NULL,
    weight BIGINT NOT NULL,
    nodes TEXT NOT NULL,
    PRIMARY KEY (trunk_group, position),
    FOREIGN KEY (trunk_group) REFERENCES trunk_groups (id) ON DELETE CASCADE,
    FOREIGN KEY (egress_trunk) REFERENCES egress_trunks (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

ALTER TABLE plans ADD COLUMN failover BIGINT NULL, ADD COLUMN rules LONGTEXT NOT NULL DEFAULT '',
    ADD FOREIGN KEY (failover) REFERENCES plans (id);

-- A route leads to a trunk or to a group.
ALTER TABLE plan_routes MODIFY egress_trunk BIGINT NULL, ADD COLUMN trunk_group BIGINT NULL,
    ADD COLUMN rules LONGTEXT NOT NULL DEFAULT '', ADD FOREIGN KEY (trunk_group) REFERENCES trunk_groups (id);
