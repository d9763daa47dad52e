-- What undoes each change of a deck's rates, compressed, in parts of a megabyte at most.
CREATE TABLE deck_revision_parts (
    deck BIGINT NOT NULL,
    rates_version BIGINT NOT NULL,
    part BIGINT NOT NULL,
    bytes LONGBLOB NOT NULL,
    PRIMARY KEY (deck, rates_version, part),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- How a deck's sheets are read, as JSON; the highest version counts.
CREATE TABLE deck_templates (
    deck BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    actor VARCHAR(255) NOT NULL,
    body LONGTEXT NOT NULL,
    PRIMARY KEY (deck, version),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Sheets on their way into a deck. state: 0 open, 1 applied, 2 cancelled. The file itself is in import_parts.
CREATE TABLE imports (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    deck BIGINT NOT NULL,
    name VARCHAR(255) NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    size BIGINT NOT NULL,
    created BIGINT NOT NULL,
    made_by BIGINT NOT NULL,
    actor VARCHAR(255) NOT NULL,
    body LONGTEXT NOT NULL,
    state BIGINT NOT NULL,
    approved_by BIGINT NOT NULL,
    approver VARCHAR(255) NOT NULL,
    settled BIGINT,
    rates_version BIGINT NOT NULL,
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX imports_deck ON imports (deck, id);

CREATE TABLE import_parts (
    import BIGINT NOT NULL,
    part BIGINT NOT NULL,
    bytes LONGBLOB NOT NULL,
    PRIMARY KEY (import, part),
    FOREIGN KEY (import) REFERENCES imports (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
