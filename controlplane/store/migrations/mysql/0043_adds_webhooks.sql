-- Who is told of events by a POST. events: words such as alarm.raised or alarm.*, separated by spaces; stopped: why it is told nothing more.
CREATE TABLE IF NOT EXISTS webhooks (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(64) NOT NULL UNIQUE,
    url VARCHAR(400) NOT NULL,
    events VARCHAR(400) NOT NULL,
    secret VARBINARY(64) NOT NULL,
    active SMALLINT NOT NULL,
    stopped VARCHAR(200) NOT NULL,
    made BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What happened and somebody wants to be told of.
CREATE TABLE IF NOT EXISTS events (
    id VARCHAR(100) NOT NULL PRIMARY KEY,
    kind VARCHAR(64) NOT NULL,
    at BIGINT NOT NULL,
    body LONGTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX IF NOT EXISTS events_at ON events (at);

-- Who is to be told of what. tries below 0: told (-1), given up (-2); due: when it is tried next.
CREATE TABLE IF NOT EXISTS deliveries (
    event VARCHAR(100) NOT NULL,
    webhook BIGINT NOT NULL,
    at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    due BIGINT,
    problem VARCHAR(200) NOT NULL,
    PRIMARY KEY (event, webhook)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due);
CREATE INDEX IF NOT EXISTS deliveries_webhook ON deliveries (webhook, at, event);

-- Every try; an empty problem is a success.
CREATE TABLE IF NOT EXISTS delivery_tries (
    event VARCHAR(100) NOT NULL,
    webhook BIGINT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    took_ms BIGINT NOT NULL,
    problem VARCHAR(200) NOT NULL,
    PRIMARY KEY (event, webhook, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX IF NOT EXISTS delivery_tries_at ON delivery_tries (at);

-- What a node said that somebody should look at.
CREATE TABLE IF NOT EXISTS alarms (
    id VARCHAR(100) NOT NULL PRIMARY KEY,
    node BIGINT NOT NULL,
    name VARCHAR(32) NOT NULL,
    level VARCHAR(8) NOT NULL,
    what VARCHAR(300) NOT NULL,
    mend VARCHAR(300) NOT NULL,
    raised BIGINT NOT NULL,
    cleared BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX IF NOT EXISTS alarms_raised ON alarms (raised, id);
CREATE INDEX IF NOT EXISTS alarms_standing ON alarms (node, cleared);
