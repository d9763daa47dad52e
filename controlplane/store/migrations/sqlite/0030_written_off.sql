-- What was given up: talk that a crash kept from the bill, and what a lost node held. It moves no money by itself.
ALTER TABLE ledger_entries ADD COLUMN written_off INTEGER NOT NULL DEFAULT 0;
ALTER TABLE ledger_entries ADD COLUMN node INTEGER;

DROP VIEW entries_readable;
CREATE VIEW entries_readable AS
SELECT
    ledger_entries.id,
    strftime('%Y-%m-%d %H:%M:%S', ledger_entries.at / 1000000, 'unixepoch') || printf('.%06d', ledger_entries.at % 1000000) AS at_utc,
    accounts.code AS account,
    accounts.currency,
    ledger_entries.kind,
    CASE WHEN ledger_entries.available IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_entries.available < 0 THEN '-' ELSE '' END, abs(ledger_entries.available) / 1000000000, abs(ledger_entries.available) % 1000000000) END AS available,
    CASE WHEN ledger_entries.held IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_entries.held < 0 THEN '-' ELSE '' END, abs(ledger_entries.held) / 1000000000, abs(ledger_entries.held) % 1000000000) END AS held,
    CASE WHEN ledger_entries.settled IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_entries.settled < 0 THEN '-' ELSE '' END, abs(ledger_entries.settled) / 1000000000, abs(ledger_entries.settled) % 1000000000) END AS settled,
    CASE WHEN ledger_entries.funds IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_entries.funds < 0 THEN '-' ELSE '' END, abs(ledger_entries.funds) / 1000000000, abs(ledger_entries.funds) % 1000000000) END AS funds,
    CASE WHEN ledger_entries.owed IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_entries.owed < 0 THEN '-' ELSE '' END, abs(ledger_entries.owed) / 1000000000, abs(ledger_entries.owed) % 1000000000) END AS owed,
    CASE WHEN ledger_entries.written_off IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_entries.written_off < 0 THEN '-' ELSE '' END, abs(ledger_entries.written_off) / 1000000000, abs(ledger_entries.written_off) % 1000000000) END AS written_off,
    CASE WHEN ledger_entries.id LIKE 'cut:%' THEN SUBSTR(ledger_entries.id, 5) END AS call_id,
    ledger_entries.node,
    ledger_entries.note
FROM ledger_entries
JOIN accounts ON accounts.id = ledger_entries.account;
