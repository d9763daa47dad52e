-- Money is BIGINT nano-units, time is BIGINT microseconds since 1970 UTC, flags are SMALLINT 0/1, call and grant ids are 16 bytes.

CREATE TABLE settings (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    value LONGTEXT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row: counts transactions that changed what a snapshot holds.
CREATE TABLE changes (
    id BIGINT NOT NULL PRIMARY KEY,
    counter BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT INTO changes (id, counter) VALUES (1, 0);

CREATE TABLE revisions (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    change_counter BIGINT NOT NULL UNIQUE,
    created BIGINT NOT NULL,
    rates BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE carriers (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARCHAR(64) NOT NULL UNIQUE,
    name VARCHAR(200) NOT NULL,
    blocked SMALLINT NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE accounts (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARCHAR(64) NOT NULL UNIQUE,
    carrier BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    kind SMALLINT NOT NULL,
    credit_limit BIGINT,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    FOREIGN KEY (carrier) REFERENCES carriers (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE decks (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARCHAR(64) NOT NULL UNIQUE,
    name VARCHAR(200) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    decimals SMALLINT NOT NULL,
    rounding SMALLINT NOT NULL,
    rates_version BIGINT NOT NULL DEFAULT 0,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE deck_revisions (
    deck BIGINT NOT NULL,
    rates_version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    rates BIGINT NOT NULL,
    note VARCHAR(400) NOT NULL,
    PRIMARY KEY (deck, rates_version),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE rates (
    deck BIGINT NOT NULL,
    prefix VARCHAR(15) NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_till BIGINT,
    destination VARCHAR(200) NOT NULL,
    per_minute BIGINT NOT NULL,
    connection_fee BIGINT NOT NULL,
    minimum_s BIGINT NOT NULL,
    increment_s BIGINT NOT NULL,
    free_s BIGINT NOT NULL,
    blocked SMALLINT NOT NULL,
    PRIMARY KEY (deck, prefix, valid_from),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE plans (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARCHAR(64) NOT NULL UNIQUE,
    route_order SMALLINT NOT NULL,
    margin_min BIGINT NOT NULL,
    attempts_max SMALLINT NOT NULL,
    setup_timeout_s BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE egress_trunks (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARCHAR(64) NOT NULL UNIQUE,
    carrier BIGINT NOT NULL,
    account BIGINT NOT NULL,
    address VARCHAR(64) NOT NULL,
    strip_digits SMALLINT NOT NULL,
    add_prefix VARCHAR(39) NOT NULL,
    buy_deck BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    cps BIGINT NOT NULL,
    active SMALLINT NOT NULL,
    progress_timeout_s BIGINT NOT NULL,
    ring_timeout_s BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    FOREIGN KEY (carrier) REFERENCES carriers (id),
    FOREIGN KEY (account) REFERENCES accounts (id),
    FOREIGN KEY (buy_deck) REFERENCES decks (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE plan_routes (
    plan BIGINT NOT NULL,
    position BIGINT NOT NULL,
    egress_trunk BIGINT NOT NULL,
    priority SMALLINT NOT NULL,
    weight BIGINT NOT NULL,
    percent SMALLINT NOT NULL,
    PRIMARY KEY (plan, position),
    FOREIGN KEY (plan) REFERENCES plans (id) ON DELETE CASCADE,
    FOREIGN KEY (egress_trunk) REFERENCES egress_trunks (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE ingress_trunks (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code VARCHAR(64) NOT NULL UNIQUE,
    carrier BIGINT NOT NULL,
    account BIGINT NOT NULL,
    tech_prefix VARCHAR(39) NOT NULL,
    plan BIGINT NOT NULL,
    sell_deck BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    cps BIGINT NOT NULL,
    active SMALLINT NOT NULL,
    max_duration_s BIGINT NOT NULL,
    media_timeout_s BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    FOREIGN KEY (carrier) REFERENCES carriers (id),
    FOREIGN KEY (account) REFERENCES accounts (id),
    FOREIGN KEY (plan) REFERENCES plans (id),
    FOREIGN KEY (sell_deck) REFERENCES decks (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE ingress_sources (
    trunk BIGINT NOT NULL,
    position BIGINT NOT NULL,
    network VARCHAR(64) NOT NULL,
    bits SMALLINT NOT NULL,
    port BIGINT NOT NULL,
    PRIMARY KEY (trunk, position),
    FOREIGN KEY (trunk) REFERENCES ingress_trunks (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- available + held + settled = funds, always; owed is what we owe the carrier for calls that it took.
CREATE TABLE ledger_accounts (
    account BIGINT NOT NULL PRIMARY KEY,
    available BIGINT NOT NULL,
    held BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    funds BIGINT NOT NULL,
    owed BIGINT NOT NULL,
    FOREIGN KEY (account) REFERENCES accounts (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Append-only. The sum of an account's entries is its row in ledger_accounts.
CREATE TABLE ledger_entries (
    id VARCHAR(100) NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    available BIGINT NOT NULL,
    held BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    funds BIGINT NOT NULL,
    owed BIGINT NOT NULL,
    note VARCHAR(400) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX ledger_entries_account ON ledger_entries (account, at);

-- state: 0 open, 1 closed, 2 refused, 3 closed before it was ever asked for.
CREATE TABLE grants (
    id BINARY(16) NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    amount BIGINT NOT NULL,
    used BIGINT NOT NULL,
    posted BIGINT NOT NULL,
    state SMALLINT NOT NULL,
    asked BIGINT NOT NULL,
    closed BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX grants_state ON grants (state, account);

-- Which CDRs have moved money, and how much of it no grant covered.
CREATE TABLE posts (
    id BINARY(16) NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    price BIGINT NOT NULL,
    uncovered BIGINT NOT NULL,
    posted BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE cdrs (
    id BINARY(16) NOT NULL PRIMARY KEY,
    attempt SMALLINT NOT NULL,
    attempts SMALLINT NOT NULL,
    revision BIGINT NOT NULL,
    originator BIGINT NOT NULL,
    originator_account BIGINT NOT NULL,
    ingress_trunk BIGINT NOT NULL,
    terminator BIGINT NOT NULL,
    terminator_account BIGINT NOT NULL,
    egress_trunk BIGINT NOT NULL,
    calling VARCHAR(39) NOT NULL,
    called VARCHAR(39) NOT NULL,
    called_routed VARCHAR(39) NOT NULL,
    started BIGINT NOT NULL,
    ringing_ms BIGINT,
    answered_ms BIGINT,
    ended_ms BIGINT NOT NULL,
    duration_ms BIGINT NOT NULL,
    sip_status SMALLINT NOT NULL,
    cause SMALLINT NOT NULL,
    released_by SMALLINT NOT NULL,
    sell_deck BIGINT,
    sell_currency VARCHAR(3),
    sell_per_minute BIGINT,
    sell_connection_fee BIGINT,
    sell_minimum_s BIGINT,
    sell_increment_s BIGINT,
    sell_free_s BIGINT,
    sell_rounding SMALLINT,
    sell_decimals SMALLINT,
    sell_prefix_digits SMALLINT,
    sell_billed_s BIGINT,
    sell_price BIGINT,
    buy_deck BIGINT,
    buy_currency VARCHAR(3),
    buy_per_minute BIGINT,
    buy_connection_fee BIGINT,
    buy_minimum_s BIGINT,
    buy_increment_s BIGINT,
    buy_free_s BIGINT,
    buy_rounding SMALLINT,
    buy_decimals SMALLINT,
    buy_prefix_digits SMALLINT,
    buy_billed_s BIGINT,
    buy_price BIGINT,
    grant_parts LONGBLOB NOT NULL,
    ingress_address VARCHAR(64),
    egress_address VARCHAR(64),
    ingress_call_id VARCHAR(255) NOT NULL,
    egress_call_id VARCHAR(255) NOT NULL,
    codec VARCHAR(64) NOT NULL,
    ingress_packets BIGINT NOT NULL,
    ingress_bytes BIGINT NOT NULL,
    ingress_lost BIGINT NOT NULL,
    ingress_strangers BIGINT NOT NULL,
    ingress_jitter_us BIGINT NOT NULL,
    ingress_mos_x100 SMALLINT NOT NULL,
    egress_packets BIGINT NOT NULL,
    egress_bytes BIGINT NOT NULL,
    egress_lost BIGINT NOT NULL,
    egress_strangers BIGINT NOT NULL,
    egress_jitter_us BIGINT NOT NULL,
    egress_mos_x100 SMALLINT NOT NULL,
    parse_us BIGINT NOT NULL,
    admit_us BIGINT NOT NULL,
    limits_us BIGINT NOT NULL,
    route_us BIGINT NOT NULL,
    egress_us BIGINT NOT NULL,
    answer_us BIGINT NOT NULL,
    pdd_us BIGINT NOT NULL,
    decision LONGBLOB NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX cdrs_started ON cdrs (started, id);

-- How far a node's journal stands in this database. folder is the random mark of the data folder that the node writes in.
CREATE TABLE collector_cursors (
    node BIGINT NOT NULL,
    kind VARCHAR(16) NOT NULL,
    folder VARCHAR(64) NOT NULL,
    boot BIGINT NOT NULL,
    segment BIGINT NOT NULL,
    position BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (node, kind)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE traces (
    call_id BINARY(16) NOT NULL PRIMARY KEY,
    started BIGINT NOT NULL,
    messages LONGBLOB NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX traces_started ON traces (started);

CREATE TABLE users (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(64) NOT NULL UNIQUE,
    role VARCHAR(32) NOT NULL,
    password_hash VARCHAR(400) NOT NULL,
    active SMALLINT NOT NULL,
    created BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE api_keys (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    secret_hash BINARY(32) NOT NULL UNIQUE,
    scopes VARCHAR(400) NOT NULL,
    created_by BIGINT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    last_used BIGINT,
    revoked BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE web_sessions (
    secret_hash BINARY(32) NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    csrf VARCHAR(64) NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    address VARCHAR(64) NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Append-only.
CREATE TABLE audit (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at BIGINT NOT NULL,
    actor VARCHAR(100) NOT NULL,
    action VARCHAR(64) NOT NULL,
    object VARCHAR(100) NOT NULL,
    before_json LONGTEXT NOT NULL,
    after_json LONGTEXT NOT NULL,
    address VARCHAR(64) NOT NULL,
    request_id VARCHAR(64) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- For people who query by hand: times as UTC text, money as decimals.
CREATE VIEW cdrs_readable AS
SELECT
    LOWER(HEX(CONCAT(LEFT(id, 15), 0x00))) AS call_id,
    attempt, attempts, revision,
    TIMESTAMPADD(MICROSECOND, started, '1970-01-01 00:00:00.000000') AS started_utc,
    originator, ingress_trunk, terminator, egress_trunk,
    calling, called, called_routed,
    ringing_ms, answered_ms, ended_ms, duration_ms,
    sip_status, cause,
    CASE released_by WHEN 0 THEN 'ingress' WHEN 1 THEN 'egress' ELSE 'switch' END AS released_by,
    sell_currency, CAST(sell_per_minute AS DECIMAL(20,0)) * 0.000000001 AS sell_rate, sell_billed_s, CAST(sell_price AS DECIMAL(20,0)) * 0.000000001 AS sell_amount,
    buy_currency, CAST(buy_per_minute AS DECIMAL(20,0)) * 0.000000001 AS buy_rate, buy_billed_s, CAST(buy_price AS DECIMAL(20,0)) * 0.000000001 AS buy_amount,
    ingress_address, egress_address, ingress_call_id, egress_call_id, codec,
    ingress_packets, ingress_lost, ingress_mos_x100, egress_packets, egress_lost, egress_mos_x100
FROM cdrs;
