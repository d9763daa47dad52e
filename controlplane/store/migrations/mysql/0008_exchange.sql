-- What currencies are worth in the base currency, which is a setting; nano-units. Decks that come before those of a trunk.
CREATE TABLE exchange_rates (
    currency VARCHAR(3) NOT NULL,
    valid_from BIGINT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (currency, valid_from)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

ALTER TABLE ingress_trunks ADD COLUMN override_deck BIGINT, ADD FOREIGN KEY (override_deck) REFERENCES decks (id);
ALTER TABLE egress_trunks ADD COLUMN override_deck BIGINT, ADD FOREIGN KEY (override_deck) REFERENCES decks (id);
