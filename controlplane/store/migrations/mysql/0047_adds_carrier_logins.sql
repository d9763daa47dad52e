-- Users who see what is one carrier's and nothing else. They are not active in `users`, so that a program which does not know this table lets
-- them in as nobody; without their carrier they are nobody too.
CREATE TABLE IF NOT EXISTS carrier_logins (
    user_id BIGINT NOT NULL PRIMARY KEY,
    carrier BIGINT NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    FOREIGN KEY (carrier) REFERENCES carriers (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
