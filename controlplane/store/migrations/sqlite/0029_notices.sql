-- Mail and POST are tried apart from each other, each when it is due.
ALTER TABLE notices ADD COLUMN mail_due INTEGER;
ALTER TABLE notices ADD COLUMN url_due INTEGER;
UPDATE notices SET mail_due=due WHERE mail>=0;
UPDATE notices SET url_due=due WHERE url>=0;
DROP INDEX notices_due;
ALTER TABLE notices DROP COLUMN due;
CREATE INDEX notices_mail ON notices (mail_due);
CREATE INDEX notices_url ON notices (url_due);

-- What an account's notices are signed with when they are posted.
CREATE TABLE notice_secrets (
    account INTEGER NOT NULL PRIMARY KEY,
    secret BLOB NOT NULL,
    made INTEGER NOT NULL
) STRICT;

-- Every try to tell somebody of a notice; an empty problem is a success.
CREATE TABLE notice_tries (
    notice TEXT NOT NULL,
    number INTEGER NOT NULL,
    way TEXT NOT NULL,
    at INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    problem TEXT NOT NULL,
    PRIMARY KEY (notice, number)
) STRICT;
