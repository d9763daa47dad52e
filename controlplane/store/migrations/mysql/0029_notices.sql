-- Mail and POST are tried apart from each other, each when it is due.
ALTER TABLE notices ADD COLUMN mail_due BIGINT;
ALTER TABLE notices ADD COLUMN url_due BIGINT;
UPDATE notices SET mail_due=due WHERE mail>=0;
UPDATE notices SET url_due=due WHERE url>=0;
ALTER TABLE notices DROP INDEX notices_due;
ALTER TABLE notices DROP COLUMN due;
CREATE INDEX notices_mail ON notices (mail_due);
CREATE INDEX notices_url ON notices (url_due);

-- What an account's notices are signed with when they are posted.
CREATE TABLE notice_secrets (
    account BIGINT NOT NULL PRIMARY KEY,
    secret VARBINARY(64) NOT NULL,
    made BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Every try to tell somebody of a notice; an empty problem is a success.
CREATE TABLE notice_tries (
    notice VARCHAR(80) NOT NULL,
    number BIGINT NOT NULL,
    way VARCHAR(4) NOT NULL,
    at BIGINT NOT NULL,
    took_ms BIGINT NOT NULL,
    problem VARCHAR(400) NOT NULL,
    PRIMARY KEY (notice, number)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
