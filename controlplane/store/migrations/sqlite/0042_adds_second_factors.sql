-- What the codes of a user's authenticator are made from. Not in force until proved by a code; counted is the step of the newest code that was taken.
CREATE TABLE IF NOT EXISTS second_factors (
    user_id INTEGER NOT NULL PRIMARY KEY,
    secret BLOB NOT NULL,
    made INTEGER NOT NULL,
    proved INTEGER,
    counted INTEGER NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT;

-- Codes for the day on which the authenticator is lost, each good once.
CREATE TABLE IF NOT EXISTS recovery_codes (
    user_id INTEGER NOT NULL,
    code_hash BLOB NOT NULL,
    used INTEGER,
    PRIMARY KEY (user_id, code_hash),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) STRICT;
