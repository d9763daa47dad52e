-- Decks that are computed from others: ids of those with commas between, empty for a deck with rates of its own.
ALTER TABLE decks ADD COLUMN derive_from TEXT NOT NULL DEFAULT '';
ALTER TABLE decks ADD COLUMN derive_take INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_add_fixed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_add_ppm INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_floor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_minimum_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_increment_s INTEGER NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_free_s INTEGER NOT NULL DEFAULT 0;
