-- What undoes each change of a deck's rates, compressed, in parts of a megabyte at most.
CREATE TABLE deck_revision_parts (
    deck INTEGER NOT NULL,
    rates_version INTEGER NOT NULL,
    part INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (deck, rates_version, part),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) STRICT;

-- How a deck's sheets are read, as JSON; the highest version counts.
CREATE TABLE deck_templates (
    deck INTEGER NOT NULL,
    version INTEGER NOT NULL,
    created INTEGER NOT NULL,
    actor TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (deck, version),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) STRICT;

-- Sheets on their way into a deck. state: 0 open, 1 applied, 2 cancelled. The file itself is in import_parts.
CREATE TABLE imports (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    deck INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    made_by INTEGER NOT NULL,
    actor TEXT NOT NULL,
    body TEXT NOT NULL,
    state INTEGER NOT NULL,
    approved_by INTEGER NOT NULL,
    approver TEXT NOT NULL,
    settled INTEGER,
    rates_version INTEGER NOT NULL,
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX imports_deck ON imports (deck, id);

CREATE TABLE import_parts (
    import INTEGER NOT NULL,
    part INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (import, part),
    FOREIGN KEY (import) REFERENCES imports (id) ON DELETE CASCADE
) STRICT;
