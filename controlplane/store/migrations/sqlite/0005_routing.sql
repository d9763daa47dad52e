-- Groups of egress trunks, failover plans, and rules of plans and routes as JSON; empty where everything is at its default.
CREATE TABLE trunk_groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

-- nodes: those of the member's site, parted by spaces.
CREATE TABLE trunk_group_members (
    trunk_group INTEGER NOT NULL,
    position INTEGER NOT NULL,
    egress_trunk INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    nodes TEXT NOT NULL,
    PRIMARY KEY (trunk_group, position),
    FOREIGN KEY (trunk_group) REFERENCES trunk_groups (id) ON DELETE CASCADE,
    FOREIGN KEY (egress_trunk) REFERENCES egress_trunks (id)
) STRICT;

ALTER TABLE plans ADD COLUMN failover INTEGER REFERENCES plans (id);
ALTER TABLE plans ADD COLUMN rules TEXT NOT NULL DEFAULT '';

-- A route leads to a trunk or to a group: SQLite cannot take NOT NULL from a column.
CREATE TABLE plan_routes_next (
    plan INTEGER NOT NULL,
    position INTEGER NOT NULL,
    egress_trunk INTEGER,
    trunk_group INTEGER,
    priority INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    percent INTEGER NOT NULL,
    rules TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (plan, position),
    FOREIGN KEY (plan) REFERENCES plans (id) ON DELETE CASCADE,
    FOREIGN KEY (egress_trunk) REFERENCES egress_trunks (id),
    FOREIGN KEY (trunk_group) REFERENCES trunk_groups (id)
) STRICT;
INSERT INTO plan_routes_next (plan, position, egress_trunk, priority, weight, percent)
SELECT plan, position, egress_trunk, priority, weight, percent FROM plan_routes;
DROP TABLE plan_routes;
ALTER TABLE plan_routes_next RENAME TO plan_routes;
