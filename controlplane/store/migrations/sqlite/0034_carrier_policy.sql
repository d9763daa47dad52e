-- What a carrier says of captures and recordings for its trunks, as JSON; empty where everything is at its default.
ALTER TABLE carriers ADD COLUMN policy TEXT NOT NULL DEFAULT '';
