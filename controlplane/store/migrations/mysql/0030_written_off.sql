-- What was given up: talk that a crash kept from the bill, and what a lost node held. It moves no money by itself.
ALTER TABLE ledger_entries ADD COLUMN written_off BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledger_entries ADD COLUMN node BIGINT;

DROP VIEW entries_readable;
CREATE VIEW entries_readable AS
SELECT
    ledger_entries.id,
    TIMESTAMPADD(MICROSECOND, ledger_entries.at, '1970-01-01 00:00:00.000000') AS at_utc,
    accounts.code AS account,
    accounts.currency,
    ledger_entries.kind,
    CAST(ledger_entries.available AS DECIMAL(20,0)) * 0.000000001 AS available,
    CAST(ledger_entries.held AS DECIMAL(20,0)) * 0.000000001 AS held,
    CAST(ledger_entries.settled AS DECIMAL(20,0)) * 0.000000001 AS settled,
    CAST(ledger_entries.funds AS DECIMAL(20,0)) * 0.000000001 AS funds,
    CAST(ledger_entries.owed AS DECIMAL(20,0)) * 0.000000001 AS owed,
    CAST(ledger_entries.written_off AS DECIMAL(20,0)) * 0.000000001 AS written_off,
    CASE WHEN ledger_entries.id LIKE 'cut:%' THEN SUBSTR(ledger_entries.id, 5) END AS call_id,
    ledger_entries.node,
    ledger_entries.note
FROM ledger_entries
JOIN accounts ON accounts.id = ledger_entries.account;
