-- How an account is watched and capped. The zone is where its days begin; empty for UTC.
ALTER TABLE accounts ADD COLUMN zone VARCHAR(64) NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN day_cap BIGINT;
ALTER TABLE accounts ADD COLUMN month_cap BIGINT;
ALTER TABLE accounts ADD COLUMN netted SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN notice_low BIGINT;
ALTER TABLE accounts ADD COLUMN notice_high BIGINT;
ALTER TABLE accounts ADD COLUMN notice_mail VARCHAR(400) NOT NULL DEFAULT '';
ALTER TABLE accounts ADD COLUMN notice_url VARCHAR(400) NOT NULL DEFAULT '';

-- What calls cost an account in a day (2026-11-21) or month (2026-11) of its zone, by when they were posted.
CREATE TABLE spending (
    account BIGINT NOT NULL,
    period VARCHAR(10) NOT NULL,
    settled BIGINT NOT NULL,
    PRIMARY KEY (account, period)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- A crossing of a threshold. It stands until it is cleared; mail and url count tries, -1 for done and -2 for given up.
CREATE TABLE notices (
    id VARCHAR(80) NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    kind VARCHAR(10) NOT NULL,
    raised BIGINT NOT NULL,
    cleared BIGINT,
    value BIGINT NOT NULL,
    threshold BIGINT NOT NULL,
    mail BIGINT NOT NULL,
    url BIGINT NOT NULL,
    due BIGINT,
    problem VARCHAR(400) NOT NULL DEFAULT '',
    INDEX notices_raised (raised),
    INDEX notices_account (account, cleared),
    INDEX notices_due (due)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
