-- Decks that are computed from others: ids of those with commas between, empty for a deck with rates of its own.
ALTER TABLE decks ADD COLUMN derive_from VARCHAR(800) NOT NULL DEFAULT '';
ALTER TABLE decks ADD COLUMN derive_take SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_add_fixed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_add_ppm BIGINT NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_floor BIGINT NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_minimum_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_increment_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE decks ADD COLUMN derive_free_s BIGINT NOT NULL DEFAULT 0;
