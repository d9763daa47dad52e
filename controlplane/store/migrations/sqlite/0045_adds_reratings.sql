-- Calls of a period priced once more after a deck was corrected, and when the difference was booked and booked back. Amounts are with tax.
CREATE TABLE IF NOT EXISTS reratings (
    number INTEGER NOT NULL PRIMARY KEY,
    account INTEGER NOT NULL,
    account_code TEXT NOT NULL,
    currency TEXT NOT NULL,
    deck INTEGER,
    deck_code TEXT NOT NULL,
    priced_by INTEGER,
    priced_by_code TEXT NOT NULL,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    why TEXT NOT NULL,
    made INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    calls INTEGER NOT NULL,
    talked_ms INTEGER NOT NULL,
    cost_before INTEGER NOT NULL,
    tax_before INTEGER NOT NULL,
    cost_after INTEGER NOT NULL,
    tax_after INTEGER NOT NULL,
    booked INTEGER,
    booked_by TEXT NOT NULL,
    undone INTEGER,
    undone_by TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS reratings_account ON reratings (account, starts);

-- What each destination came to. kind: 0 calls that have another price, 1 calls without a rate now, 2 all that have the price that they had.
CREATE TABLE IF NOT EXISTS rerating_lines (
    rerating INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    destination TEXT NOT NULL,
    prefix_before TEXT NOT NULL,
    prefix_after TEXT NOT NULL,
    per_minute_before INTEGER NOT NULL,
    per_minute_after INTEGER NOT NULL,
    rate_currency TEXT NOT NULL,
    calls INTEGER NOT NULL,
    talked_ms INTEGER NOT NULL,
    cost_before INTEGER NOT NULL,
    tax_before INTEGER NOT NULL,
    cost_after INTEGER NOT NULL,
    tax_after INTEGER NOT NULL,
    PRIMARY KEY (rerating, position)
) STRICT;
