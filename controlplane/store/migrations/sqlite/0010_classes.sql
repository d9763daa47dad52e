-- Rates by hours and jurisdiction: the class is part of a rate's key. 0 is "any" in both columns.
CREATE TABLE rates_of_classes (
    deck INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    hours INTEGER NOT NULL DEFAULT 0,
    jurisdiction INTEGER NOT NULL DEFAULT 0,
    valid_from INTEGER NOT NULL,
    valid_till INTEGER,
    destination TEXT NOT NULL,
    per_minute INTEGER NOT NULL,
    connection_fee INTEGER NOT NULL,
    minimum_s INTEGER NOT NULL,
    increment_s INTEGER NOT NULL,
    free_s INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    first_per_minute INTEGER,
    PRIMARY KEY (deck, prefix, hours, jurisdiction, valid_from),
    FOREIGN KEY (deck) REFERENCES decks (id) ON DELETE CASCADE
) STRICT;
INSERT INTO rates_of_classes (deck, prefix, valid_from, valid_till, destination, per_minute, connection_fee, minimum_s,
    increment_s, free_s, blocked, first_per_minute)
SELECT deck, prefix, valid_from, valid_till, destination, per_minute, connection_fee, minimum_s,
    increment_s, free_s, blocked, first_per_minute FROM rates;
DROP TABLE rates;
ALTER TABLE rates_of_classes RENAME TO rates;

-- The clock of a deck, its calendar as JSON (empty for none), and what decides besides the dialled number.
ALTER TABLE decks ADD COLUMN zone TEXT NOT NULL DEFAULT 'UTC';
ALTER TABLE decks ADD COLUMN calendar TEXT NOT NULL DEFAULT '';
ALTER TABLE decks ADD COLUMN by_jurisdiction INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN by_lrn INTEGER NOT NULL DEFAULT 0;

-- Plans and sell decks for calls of one jurisdiction; NULL for the trunk's own.
ALTER TABLE ingress_trunks ADD COLUMN inter_plan INTEGER REFERENCES plans (id);
ALTER TABLE ingress_trunks ADD COLUMN inter_deck INTEGER REFERENCES decks (id);
ALTER TABLE ingress_trunks ADD COLUMN intra_plan INTEGER REFERENCES plans (id);
ALTER TABLE ingress_trunks ADD COLUMN intra_deck INTEGER REFERENCES decks (id);
ALTER TABLE ingress_trunks ADD COLUMN indeterminate_plan INTEGER REFERENCES plans (id);
ALTER TABLE ingress_trunks ADD COLUMN indeterminate_deck INTEGER REFERENCES decks (id);

-- What was judged of a call, and the classes of the rates that counted. NULL in records that are older than these columns.
ALTER TABLE cdrs ADD COLUMN lrn TEXT;
ALTER TABLE cdrs ADD COLUMN jurisdiction INTEGER;
ALTER TABLE cdrs ADD COLUMN sell_hours INTEGER;
ALTER TABLE cdrs ADD COLUMN sell_jurisdiction INTEGER;
ALTER TABLE cdrs ADD COLUMN buy_hours INTEGER;
ALTER TABLE cdrs ADD COLUMN buy_jurisdiction INTEGER;
