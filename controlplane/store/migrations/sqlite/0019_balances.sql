-- How an account is watched and capped. The zone is where its days begin; empty for UTC.
ALTER TABLE accounts ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN day_cap INTEGER;
ALTER TABLE accounts ADD COLUMN month_cap INTEGER;
ALTER TABLE accounts ADD COLUMN netted INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN notice_low INTEGER;
ALTER TABLE accounts ADD COLUMN notice_high INTEGER;
ALTER TABLE accounts ADD COLUMN notice_mail TEXT NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN notice_url TEXT NOT NULL DEFAULT '';

-- What calls cost an account in a day (2026-11-21) or month (2026-11) of its zone, by when they were posted.
CREATE TABLE spending (
    account INTEGER NOT NULL,
    period TEXT NOT NULL,
    settled INTEGER NOT NULL,
    PRIMARY KEY (account, period)
);

-- A crossing of a threshold. It stands until it is cleared; mail and url count tries, -1 for done and -2 for given up.
CREATE TABLE notices (
    id TEXT NOT NULL PRIMARY KEY,
    account INTEGER NOT NULL,
    kind TEXT NOT NULL,
    raised INTEGER NOT NULL,
    cleared INTEGER,
    value INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    mail INTEGER NOT NULL,
    url INTEGER NOT NULL,
    due INTEGER,
    problem TEXT NOT NULL DEFAULT ''
);
CREATE INDEX notices_raised ON notices (raised);
CREATE INDEX notices_account ON notices (account, cleared);
CREATE INDEX notices_due ON notices (due);
