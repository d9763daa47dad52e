-- Prices: a rate of its own for the first interval, steps from zero, tax; and what a CDR keeps of them.
ALTER TABLE rates ADD COLUMN first_per_minute BIGINT;
ALTER TABLE decks ADD COLUMN steps_from_zero SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN tax_ppm BIGINT NOT NULL DEFAULT 0;

-- NULL in records that are older than these columns: no tax, the deck's currency is the account's.
ALTER TABLE cdrs ADD COLUMN sell_tax BIGINT;
ALTER TABLE cdrs ADD COLUMN sell_tax_ppm BIGINT;
ALTER TABLE cdrs ADD COLUMN sell_first_per_minute BIGINT;
ALTER TABLE cdrs ADD COLUMN sell_steps_from_zero SMALLINT;
ALTER TABLE cdrs ADD COLUMN sell_deck_currency VARCHAR(3);
ALTER TABLE cdrs ADD COLUMN sell_exchange BIGINT;

ALTER TABLE cdrs ADD COLUMN buy_tax BIGINT;
ALTER TABLE cdrs ADD COLUMN buy_tax_ppm BIGINT;
ALTER TABLE cdrs ADD COLUMN buy_first_per_minute BIGINT;
ALTER TABLE cdrs ADD COLUMN buy_steps_from_zero SMALLINT;
ALTER TABLE cdrs ADD COLUMN buy_deck_currency VARCHAR(3);
ALTER TABLE cdrs ADD COLUMN buy_exchange BIGINT;
