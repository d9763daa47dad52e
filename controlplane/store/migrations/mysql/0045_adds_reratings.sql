-- Calls of a period priced once more after a deck was corrected, and when the difference was booked and booked back. Amounts are with tax.
CREATE TABLE IF NOT EXISTS reratings (
    number BIGINT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    account_code VARCHAR(64) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    deck BIGINT,
    deck_code VARCHAR(64) NOT NULL,
    priced_by BIGINT,
    priced_by_code VARCHAR(64) NOT NULL,
    starts BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    why VARCHAR(200) NOT NULL,
    made BIGINT NOT NULL,
    made_by VARCHAR(100) NOT NULL,
    calls BIGINT NOT NULL,
    talked_ms BIGINT NOT NULL,
    cost_before BIGINT NOT NULL,
    tax_before BIGINT NOT NULL,
    cost_after BIGINT NOT NULL,
    tax_after BIGINT NOT NULL,
    booked BIGINT,
    booked_by VARCHAR(100) NOT NULL,
    undone BIGINT,
    undone_by VARCHAR(100) NOT NULL DEFAULT ''
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX IF NOT EXISTS reratings_account ON reratings (account, starts);

-- What each destination came to. kind: 0 calls that have another price, 1 calls without a rate now, 2 all that have the price that they had.
CREATE TABLE IF NOT EXISTS rerating_lines (
    rerating BIGINT NOT NULL,
    position BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    destination VARCHAR(255) NOT NULL,
    prefix_before VARCHAR(64) NOT NULL,
    prefix_after VARCHAR(64) NOT NULL,
    per_minute_before BIGINT NOT NULL,
    per_minute_after BIGINT NOT NULL,
    rate_currency VARCHAR(3) NOT NULL,
    calls BIGINT NOT NULL,
    talked_ms BIGINT NOT NULL,
    cost_before BIGINT NOT NULL,
    tax_before BIGINT NOT NULL,
    cost_after BIGINT NOT NULL,
    tax_after BIGINT NOT NULL,
    PRIMARY KEY (rerating, position)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
