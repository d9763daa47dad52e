-- Money is BIGINT nano-units, time is BIGINT microseconds since 1970 UTC, flags are SMALLINT 0/1, call and grant ids are 16 bytes.

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- One row: counts transactions that changed what a snapshot holds.
CREATE TABLE changes (
    id INTEGER NOT NULL PRIMARY KEY,
    counter INTEGER NOT NULL
) STRICT;
INSERT INTO changes (id, counter) VALUES (1, 0);

CREATE TABLE revisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    change_counter INTEGER NOT NULL UNIQUE,
    created INTEGER NOT NULL,
    rates INTEGER NOT NULL
) STRICT;

CREATE TABLE carriers (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    blocked INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    carrier INTEGER NOT NULL,
    currency TEXT NOT NULL,
    kind INTEGER NOT NULL,
    credit_limit INTEGER,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    FOREIGN KEY (carrier) REFERENCES carriers (id)
) STRICT;

CREATE TABLE decks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    currency TEXT NOT NULL,
    decimals INTEGER NOT NULL,
    rounding INTEGER NOT NULL,
    rates_version INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE TABLE deck_revisions (
    deck INTEGER NOT NULL,
    rates_version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    rates INTEGER NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (deck, rates_version),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) STRICT;

CREATE TABLE rates (
    deck INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    valid_till INTEGER,
    destination TEXT NOT NULL,
    per_minute INTEGER NOT NULL,
    connection_fee INTEGER NOT NULL,
    minimum_s INTEGER NOT NULL,
    increment_s INTEGER NOT NULL,
    free_s INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    PRIMARY KEY (deck, prefix, valid_from),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) STRICT;

CREATE TABLE plans (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    route_order INTEGER NOT NULL,
    margin_min INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    setup_timeout_s INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) STRICT;

CREATE TABLE egress_trunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    carrier INTEGER NOT NULL,
    account INTEGER NOT NULL,
    address TEXT NOT NULL,
    strip_digits INTEGER NOT NULL,
    add_prefix TEXT NOT NULL,
    buy_deck INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    cps INTEGER NOT NULL,
    active INTEGER NOT NULL,
    progress_timeout_s INTEGER NOT NULL,
    ring_timeout_s INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    FOREIGN KEY (carrier) REFERENCES carriers (id),
    FOREIGN KEY (account) REFERENCES accounts (id),
    FOREIGN KEY (buy_deck) REFERENCES decks (id)
) STRICT;

CREATE TABLE plan_routes (
    plan INTEGER NOT NULL,
    position INTEGER NOT NULL,
    egress_trunk INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    percent INTEGER NOT NULL,
    PRIMARY KEY (plan, position),
    FOREIGN KEY (plan) REFERENCES plans (id) ON DELETE CASCADE,
    FOREIGN KEY (egress_trunk) REFERENCES egress_trunks (id)
) STRICT;

CREATE TABLE ingress_trunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    code TEXT NOT NULL UNIQUE,
    carrier INTEGER NOT NULL,
    account INTEGER NOT NULL,
    tech_prefix TEXT NOT NULL,
    plan INTEGER NOT NULL,
    sell_deck INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    cps INTEGER NOT NULL,
    active INTEGER NOT NULL,
    max_duration_s INTEGER NOT NULL,
    media_timeout_s INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    FOREIGN KEY (carrier) REFERENCES carriers (id),
    FOREIGN KEY (account) REFERENCES accounts (id),
    FOREIGN KEY (plan) REFERENCES plans (id),
    FOREIGN KEY (sell_deck) REFERENCES decks (id)
) STRICT;

CREATE TABLE ingress_sources (
    trunk INTEGER NOT NULL,
    position INTEGER NOT NULL,
    network TEXT NOT NULL,
    bits INTEGER NOT NULL,
    port INTEGER NOT NULL,
    PRIMARY KEY (trunk, position),
    FOREIGN KEY (trunk) REFERENCES ingress_trunks (id) ON DELETE CASCADE
) STRICT;

-- available + held + settled = funds, always; owed is what we owe the carrier for calls that it took.
CREATE TABLE ledger_accounts (
    account INTEGER NOT NULL PRIMARY KEY,
    available INTEGER NOT NULL,
    held INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    funds INTEGER NOT NULL,
    owed INTEGER NOT NULL,
    FOREIGN KEY (account) REFERENCES accounts (id)
) STRICT;

-- Append-only. The sum of an account's entries is its row in ledger_accounts.
CREATE TABLE ledger_entries (
    id TEXT NOT NULL PRIMARY KEY,
    account INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    available INTEGER NOT NULL,
    held INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    funds INTEGER NOT NULL,
    owed INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_entries_account ON ledger_entries (account, at);

-- state: 0 open, 1 closed, 2 refused, 3 closed before it was ever asked for.
CREATE TABLE grants (
    id BLOB NOT NULL PRIMARY KEY,
    account INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    used INTEGER NOT NULL,
    posted INTEGER NOT NULL,
    state INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    closed INTEGER
) STRICT;
CREATE INDEX grants_state ON grants (state, account);

-- Which CDRs have moved money, and how much of it no grant covered.
CREATE TABLE posts (
    id BLOB NOT NULL PRIMARY KEY,
    account INTEGER NOT NULL,
    price INTEGER NOT NULL,
    uncovered INTEGER NOT NULL,
    posted INTEGER NOT NULL
) STRICT;

CREATE TABLE cdrs (
    id BLOB NOT NULL PRIMARY KEY,
    attempt INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    originator INTEGER NOT NULL,
    originator_account INTEGER NOT NULL,
    ingress_trunk INTEGER NOT NULL,
    terminator INTEGER NOT NULL,
    terminator_account INTEGER NOT NULL,
    egress_trunk INTEGER NOT NULL,
    calling TEXT NOT NULL,
    called TEXT NOT NULL,
    called_routed TEXT NOT NULL,
    started INTEGER NOT NULL,
    ringing_ms INTEGER,
    answered_ms INTEGER,
    ended_ms INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    sip_status INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    released_by INTEGER NOT NULL,
    sell_deck INTEGER,
    sell_currency TEXT,
    sell_per_minute INTEGER,
    sell_connection_fee INTEGER,
    sell_minimum_s INTEGER,
    sell_increment_s INTEGER,
    sell_free_s INTEGER,
    sell_rounding INTEGER,
    sell_decimals INTEGER,
    sell_prefix_digits INTEGER,
    sell_billed_s INTEGER,
    sell_price INTEGER,
    buy_deck INTEGER,
    buy_currency TEXT,
    buy_per_minute INTEGER,
    buy_connection_fee INTEGER,
    buy_minimum_s INTEGER,
    buy_increment_s INTEGER,
    buy_free_s INTEGER,
    buy_rounding INTEGER,
    buy_decimals INTEGER,
    buy_prefix_digits INTEGER,
    buy_billed_s INTEGER,
    buy_price INTEGER,
    grant_parts BLOB NOT NULL,
    ingress_address TEXT,
    egress_address TEXT,
    ingress_call_id TEXT NOT NULL,
    egress_call_id TEXT NOT NULL,
    codec TEXT NOT NULL,
    ingress_packets INTEGER NOT NULL,
    ingress_bytes INTEGER NOT NULL,
    ingress_lost INTEGER NOT NULL,
    ingress_strangers INTEGER NOT NULL,
    ingress_jitter_us INTEGER NOT NULL,
    ingress_mos_x100 INTEGER NOT NULL,
    egress_packets INTEGER NOT NULL,
    egress_bytes INTEGER NOT NULL,
    egress_lost INTEGER NOT NULL,
    egress_strangers INTEGER NOT NULL,
    egress_jitter_us INTEGER NOT NULL,
    egress_mos_x100 INTEGER NOT NULL,
    parse_us INTEGER NOT NULL,
    admit_us INTEGER NOT NULL,
    limits_us INTEGER NOT NULL,
    route_us INTEGER NOT NULL,
    egress_us INTEGER NOT NULL,
    answer_us INTEGER NOT NULL,
    pdd_us INTEGER NOT NULL,
    decision BLOB NOT NULL
) STRICT;
CREATE INDEX cdrs_started ON cdrs (started, id);

-- How far a node's journal stands in this database. folder is the random mark of the data folder that the node writes in.
CREATE TABLE collector_cursors (
    node INTEGER NOT NULL,
    kind TEXT NOT NULL,
    folder TEXT NOT NULL,
    boot INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    position INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (node, kind)
) STRICT;

CREATE TABLE traces (
    call_id BLOB NOT NULL PRIMARY KEY,
    started INTEGER NOT NULL,
    messages BLOB NOT NULL
) STRICT;
CREATE INDEX traces_started ON traces (started);

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    active INTEGER NOT NULL,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE api_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    secret_hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_by INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    last_used INTEGER,
    revoked INTEGER
) STRICT;

CREATE TABLE web_sessions (
    secret_hash BLOB NOT NULL PRIMARY KEY,
    user_id INTEGER NOT NULL,
    csrf TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    address TEXT NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT;

-- Append-only.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    before_json TEXT NOT NULL,
    after_json TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL
) STRICT;

-- For people who query by hand: times as UTC text, money as decimals.
CREATE VIEW cdrs_readable AS
SELECT
    lower(hex(substr(id, 1, 15)) || '00') AS call_id,
    attempt, attempts, revision,
    strftime('%Y-%m-%d %H:%M:%S', started / 1000000, 'unixepoch') || printf('.%06d', started % 1000000) AS started_utc,
    originator, ingress_trunk, terminator, egress_trunk,
    calling, called, called_routed,
    ringing_ms, answered_ms, ended_ms, duration_ms,
    sip_status, cause,
    CASE released_by WHEN 0 THEN 'ingress' WHEN 1 THEN 'egress' ELSE 'switch' END AS released_by,
    sell_currency, CASE WHEN sell_per_minute IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN sell_per_minute < 0 THEN '-' ELSE '' END, abs(sell_per_minute) / 1000000000, abs(sell_per_minute) % 1000000000) END AS sell_rate, sell_billed_s, CASE WHEN sell_price IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN sell_price < 0 THEN '-' ELSE '' END, abs(sell_price) / 1000000000, abs(sell_price) % 1000000000) END AS sell_amount,
    buy_currency, CASE WHEN buy_per_minute IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN buy_per_minute < 0 THEN '-' ELSE '' END, abs(buy_per_minute) / 1000000000, abs(buy_per_minute) % 1000000000) END AS buy_rate, buy_billed_s, CASE WHEN buy_price IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN buy_price < 0 THEN '-' ELSE '' END, abs(buy_price) / 1000000000, abs(buy_price) % 1000000000) END AS buy_amount,
    ingress_address, egress_address, ingress_call_id, egress_call_id, codec,
    ingress_packets, ingress_lost, ingress_mos_x100, egress_packets, egress_lost, egress_mos_x100
FROM cdrs;
