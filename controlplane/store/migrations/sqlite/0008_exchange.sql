-- What currencies are worth in the base currency, which is a setting; nano-units. Decks that come before those of a trunk.
CREATE TABLE exchange_rates (
    currency TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (currency, valid_from)
) STRICT;

ALTER TABLE ingress_trunks ADD COLUMN override_deck INTEGER REFERENCES decks (id);
ALTER TABLE egress_trunks ADD COLUMN override_deck INTEGER REFERENCES decks (id);
