-- Who is told of events by a POST. events: words such as alarm.raised or alarm.*, separated by spaces; stopped: why it is told nothing more.
CREATE TABLE IF NOT EXISTS webhooks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret BLOB NOT NULL,
    active INTEGER NOT NULL,
    stopped TEXT NOT NULL,
    made INTEGER NOT NULL
) STRICT;

-- What happened and somebody wants to be told of.
CREATE TABLE IF NOT EXISTS events (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS events_at ON events (at);

-- Who is to be told of what. tries below 0: told (-1), given up (-2); due: when it is tried next.
CREATE TABLE IF NOT EXISTS deliveries (
    event TEXT NOT NULL,
    webhook INTEGER NOT NULL,
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    due INTEGER,
    problem TEXT NOT NULL,
    PRIMARY KEY (event, webhook)
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries (due);
CREATE INDEX IF NOT EXISTS deliveries_webhook ON deliveries (webhook, at, event);

-- Every try; an empty problem is a success.
CREATE TABLE IF NOT EXISTS delivery_tries (
    event TEXT NOT NULL,
    webhook INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    problem TEXT NOT NULL,
    PRIMARY KEY (event, webhook, number)
) STRICT;
CREATE INDEX IF NOT EXISTS delivery_tries_at ON delivery_tries (at);

-- What a node said that somebody should look at.
CREATE TABLE IF NOT EXISTS alarms (
    id TEXT NOT NULL PRIMARY KEY,
    node INTEGER NOT NULL,
    name TEXT NOT NULL,
    level TEXT NOT NULL,
    what TEXT NOT NULL,
    mend TEXT NOT NULL,
    raised INTEGER NOT NULL,
    cleared INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS alarms_raised ON alarms (raised, id);
CREATE INDEX IF NOT EXISTS alarms_standing ON alarms (node, cleared);
