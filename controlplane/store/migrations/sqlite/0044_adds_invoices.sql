-- What carriers were told that their calls cost. Rows are never changed, but for the moment at which one was declared void.
CREATE TABLE IF NOT EXISTS invoices (
    number INTEGER NOT NULL PRIMARY KEY,
    account INTEGER NOT NULL,
    account_code TEXT NOT NULL,
    currency TEXT NOT NULL,
    starts INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    zone TEXT NOT NULL,
    made INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    voided INTEGER,
    issued_by TEXT NOT NULL,
    addressed_to TEXT NOT NULL,
    note TEXT NOT NULL,
    calls INTEGER NOT NULL,
    billed_s INTEGER NOT NULL,
    net INTEGER NOT NULL,
    tax INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS invoices_account ON invoices (account, made);

-- What stands on one. kind: 0 calls of one destination at one price, 1 the same of a period that was invoiced before their records came, 2 a fee.
CREATE TABLE IF NOT EXISTS invoice_lines (
    invoice INTEGER NOT NULL,
    position INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    prefix TEXT NOT NULL,
    destination TEXT NOT NULL,
    per_minute INTEGER NOT NULL,
    connection_fee INTEGER NOT NULL,
    rate_currency TEXT NOT NULL,
    tax_ppm INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    billed_s INTEGER NOT NULL,
    net INTEGER NOT NULL,
    tax INTEGER NOT NULL,
    PRIMARY KEY (invoice, position)
) STRICT;

-- What an account is charged for a month besides its calls, and what they must cost at least; before tax.
CREATE TABLE IF NOT EXISTS account_fees (
    account INTEGER NOT NULL PRIMARY KEY,
    fee INTEGER NOT NULL,
    fee_text TEXT NOT NULL,
    minimum INTEGER NOT NULL,
    tax_ppm INTEGER NOT NULL
) STRICT;
