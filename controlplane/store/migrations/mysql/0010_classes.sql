-- Rates by hours and jurisdiction: the class is part of a rate's key. 0 is "any" in both columns.
ALTER TABLE rates ADD COLUMN hours SMALLINT NOT NULL DEFAULT 0 AFTER prefix,
    ADD COLUMN jurisdiction SMALLINT NOT NULL DEFAULT 0 AFTER hours,
    DROP PRIMARY KEY, ADD PRIMARY KEY (deck, prefix, hours, jurisdiction, valid_from);

-- The clock of a deck, its calendar as JSON (empty for none), and what decides besides the dialled number.
ALTER TABLE decks ADD COLUMN zone VARCHAR(64) NOT NULL DEFAULT 'UTC', ADD COLUMN calendar LONGTEXT NOT NULL DEFAULT '',
    ADD COLUMN by_jurisdiction SMALLINT NOT NULL DEFAULT 0, ADD COLUMN by_lrn SMALLINT NOT NULL DEFAULT 0;

-- Plans and sell decks for calls of one jurisdiction; NULL for the trunk's own.
ALTER TABLE ingress_trunks ADD COLUMN inter_plan BIGINT, ADD COLUMN inter_deck BIGINT,
    ADD COLUMN intra_plan BIGINT, ADD COLUMN intra_deck BIGINT,
    ADD COLUMN indeterminate_plan BIGINT, ADD COLUMN indeterminate_deck BIGINT,
    ADD FOREIGN KEY (inter_plan) REFERENCES plans (id), ADD FOREIGN KEY (inter_deck) REFERENCES decks (id),
    ADD FOREIGN KEY (intra_plan) REFERENCES plans (id), ADD FOREIGN KEY (intra_deck) REFERENCES decks (id),
    ADD FOREIGN KEY (indeterminate_plan) REFERENCES plans (id), ADD FOREIGN KEY (indeterminate_deck) REFERENCES decks (id);

-- What was judged of a call, and the classes of the rates that counted. NULL in records that are older than these columns.
ALTER TABLE cdrs ADD COLUMN lrn VARCHAR(39), ADD COLUMN jurisdiction SMALLINT,
    ADD COLUMN sell_hours SMALLINT, ADD COLUMN sell_jurisdiction SMALLINT,
    ADD COLUMN buy_hours SMALLINT, ADD COLUMN buy_jurisdiction SMALLINT;
