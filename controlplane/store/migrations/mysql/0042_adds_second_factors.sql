-- What the codes of a user's authenticator are made from. Not in force until proved by a code; counted is the step of the newest code that was taken.
CREATE TABLE IF NOT EXISTS second_factors (
    user_id BIGINT NOT NULL PRIMARY KEY,
    secret VARBINARY(64) NOT NULL,
    made BIGINT NOT NULL,
    proved BIGINT,
    counted BIGINT NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Codes for the day on which the authenticator is lost, each good once.
CREATE TABLE IF NOT EXISTS recovery_codes (
    user_id BIGINT NOT NULL,
    code_hash BINARY(32) NOT NULL,
    used BIGINT,
    PRIMARY KEY (user_id, code_hash),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
