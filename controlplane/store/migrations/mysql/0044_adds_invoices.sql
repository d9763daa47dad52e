-- What carriers were told that their calls cost. Rows are never changed, but for the moment at which one was declared void.
CREATE TABLE IF NOT EXISTS invoices (
    number BIGINT NOT NULL PRIMARY KEY,
    account BIGINT NOT NULL,
    account_code VARCHAR(64) NOT NULL,
    currency VARCHAR(3) NOT NULL,
    starts BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    zone VARCHAR(64) NOT NULL,
    made BIGINT NOT NULL,
    made_by VARCHAR(100) NOT NULL,
    voided BIGINT,
    issued_by VARCHAR(1000) NOT NULL,
    addressed_to VARCHAR(1000) NOT NULL,
    note VARCHAR(1000) NOT NULL,
    calls BIGINT NOT NULL,
    billed_s BIGINT NOT NULL,
    net BIGINT NOT NULL,
    tax BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX IF NOT EXISTS invoices_account ON invoices (account, made);

-- What stands on one. kind: 0 calls of one destination at one price, 1 the same of a period that was invoiced before their records came, 2 a fee.
CREATE TABLE IF NOT EXISTS invoice_lines (
    invoice BIGINT NOT NULL,
    position BIGINT NOT NULL,
    kind SMALLINT NOT NULL,
    prefix VARCHAR(64) NOT NULL,
    destination VARCHAR(255) NOT NULL,
    per_minute BIGINT NOT NULL,
    connection_fee BIGINT NOT NULL,
    rate_currency VARCHAR(3) NOT NULL,
    tax_ppm BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    billed_s BIGINT NOT NULL,
    net BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    PRIMARY KEY (invoice, position)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What an account is charged for a month besides its calls, and what they must cost at least; before tax.
CREATE TABLE IF NOT EXISTS account_fees (
    account BIGINT NOT NULL PRIMARY KEY,
    fee BIGINT NOT NULL,
    fee_text VARCHAR(200) NOT NULL,
    minimum BIGINT NOT NULL,
    tax_ppm BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
