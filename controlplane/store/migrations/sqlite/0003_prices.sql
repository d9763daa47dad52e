-- Prices: a rate of its own for the first interval, steps from zero, tax; and what a CDR keeps of them.
ALTER TABLE rates ADD COLUMN first_per_minute INTEGER;
ALTER TABLE decks ADD COLUMN steps_from_zero INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN tax_ppm INTEGER NOT NULL DEFAULT 0;

-- NULL in records that are older than these columns: no tax, the deck's currency is the account's.
ALTER TABLE cdrs ADD COLUMN sell_tax INTEGER;
ALTER TABLE cdrs ADD COLUMN sell_tax_ppm INTEGER;
ALTER TABLE cdrs ADD COLUMN sell_first_per_minute INTEGER;
ALTER TABLE cdrs ADD COLUMN sell_steps_from_zero INTEGER;
ALTER TABLE cdrs ADD COLUMN sell_deck_currency TEXT;
ALTER TABLE cdrs ADD COLUMN sell_exchange INTEGER;

ALTER TABLE cdrs ADD COLUMN buy_tax INTEGER;
ALTER TABLE cdrs ADD COLUMN buy_tax_ppm INTEGER;
ALTER TABLE cdrs ADD COLUMN buy_first_per_minute INTEGER;
ALTER TABLE cdrs ADD COLUMN buy_steps_from_zero INTEGER;
ALTER TABLE cdrs ADD COLUMN buy_deck_currency TEXT;
ALTER TABLE cdrs ADD COLUMN buy_exchange INTEGER;
