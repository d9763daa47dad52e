-- For people who query by hand, beside cdrs_readable: codes instead of ids, times as UTC text, money as decimals.
CREATE VIEW accounts_readable AS
SELECT
    accounts.code AS account,
    carriers.code AS carrier,
    accounts.currency,
    CASE accounts.kind WHEN 0 THEN 'prepaid' ELSE 'postpaid' END AS kind,
    CASE WHEN ledger_accounts.available IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_accounts.available < 0 THEN '-' ELSE '' END, abs(ledger_accounts.available) / 1000000000, abs(ledger_accounts.available) % 1000000000) END AS available,
    CASE WHEN ledger_accounts.held IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_accounts.held < 0 THEN '-' ELSE '' END, abs(ledger_accounts.held) / 1000000000, abs(ledger_accounts.held) % 1000000000) END AS held,
    CASE WHEN ledger_accounts.settled IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_accounts.settled < 0 THEN '-' ELSE '' END, abs(ledger_accounts.settled) / 1000000000, abs(ledger_accounts.settled) % 1000000000) END AS settled,
    CASE WHEN ledger_accounts.funds IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_accounts.funds < 0 THEN '-' ELSE '' END, abs(ledger_accounts.funds) / 1000000000, abs(ledger_accounts.funds) % 1000000000) END AS funds,
    CASE WHEN ledger_accounts.owed IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN ledger_accounts.owed < 0 THEN '-' ELSE '' END, abs(ledger_accounts.owed) / 1000000000, abs(ledger_accounts.owed) % 1000000000) END AS owed,
    CASE WHEN accounts.credit_limit IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN accounts.credit_limit < 0 THEN '-' ELSE '' END, abs(accounts.credit_limit) / 1000000000, abs(accounts.credit_limit) % 1000000000) END AS credit_limit,
    CASE WHEN accounts.day_cap IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN accounts.day_cap < 0 THEN '-' ELSE '' END, abs(accounts.day_cap) / 1000000000, abs(accounts.day_cap) % 1000000000) END AS day_cap,
    CASE WHEN accounts.month_cap IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN accounts.month_cap < 0 THEN '-' ELSE '' END, abs(accounts.month_cap) / 1000000000, abs(accounts.month_cap) % 1000000000) END AS month_cap,
    CASE accounts.zone WHEN '' THEN 'UTC' ELSE accounts.zone END AS zone
FROM accounts
JOIN carriers ON carriers.id = accounts.carrier
LEFT JOIN ledger_accounts ON ledger_accounts.account = accounts.id;

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
    ledger_entries.note
FROM ledger_entries
JOIN accounts ON accounts.id = ledger_entries.account;

CREATE VIEW rates_readable AS
SELECT
    decks.code AS deck,
    decks.currency,
    rates.prefix,
    rates.destination,
    CASE rates.hours WHEN 0 THEN 'any' WHEN 1 THEN 'peak' WHEN 2 THEN 'off_peak' ELSE 'free_day' END AS hours,
    CASE rates.jurisdiction WHEN 0 THEN 'any' WHEN 1 THEN 'inter' WHEN 2 THEN 'intra' WHEN 3 THEN 'indeterminate' ELSE 'international' END AS jurisdiction,
    strftime('%Y-%m-%d %H:%M:%S', rates.valid_from / 1000000, 'unixepoch') || printf('.%06d', rates.valid_from % 1000000) AS from_utc,
    strftime('%Y-%m-%d %H:%M:%S', rates.valid_till / 1000000, 'unixepoch') || printf('.%06d', rates.valid_till % 1000000) AS till_utc,
    rates.blocked,
    CASE WHEN rates.per_minute IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN rates.per_minute < 0 THEN '-' ELSE '' END, abs(rates.per_minute) / 1000000000, abs(rates.per_minute) % 1000000000) END AS per_minute,
    CASE WHEN rates.first_per_minute IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN rates.first_per_minute < 0 THEN '-' ELSE '' END, abs(rates.first_per_minute) / 1000000000, abs(rates.first_per_minute) % 1000000000) END AS first_per_minute,
    CASE WHEN rates.connection_fee IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN rates.connection_fee < 0 THEN '-' ELSE '' END, abs(rates.connection_fee) / 1000000000, abs(rates.connection_fee) % 1000000000) END AS connection_fee,
    rates.minimum_s,
    rates.increment_s,
    rates.free_s
FROM rates
JOIN decks ON decks.id = rates.deck;

CREATE VIEW sums_readable AS
SELECT
    strftime('%Y-%m-%d %H:%M:%S', sums_by_day.slot / 1000000, 'unixepoch') || printf('.%06d', sums_by_day.slot % 1000000) AS day_utc,
    originators.code AS originator,
    ingress_trunks.code AS ingress_trunk,
    terminators.code AS terminator,
    egress_trunks.code AS egress_trunk,
    sums_by_day.prefix,
    sums_by_day.cause,
    sums_by_day.currency,
    sums_by_day.calls,
    sums_by_day.calls_answered,
    sums_by_day.calls_reached,
    sums_by_day.attempts,
    sums_by_day.attempts_answered,
    sums_by_day.attempts_reached,
    sums_by_day.talk_ms,
    sums_by_day.sell_billed_s,
    sums_by_day.buy_billed_s,
    CASE WHEN sums_by_day.revenue IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN sums_by_day.revenue < 0 THEN '-' ELSE '' END, abs(sums_by_day.revenue) / 1000000000, abs(sums_by_day.revenue) % 1000000000) END AS revenue,
    CASE WHEN sums_by_day.cost IS NULL THEN NULL ELSE printf('%s%d.%09d', CASE WHEN sums_by_day.cost < 0 THEN '-' ELSE '' END, abs(sums_by_day.cost) / 1000000000, abs(sums_by_day.cost) % 1000000000) END AS cost
FROM sums_by_day
LEFT JOIN carriers AS originators ON originators.id = sums_by_day.originator
LEFT JOIN carriers AS terminators ON terminators.id = sums_by_day.terminator
LEFT JOIN ingress_trunks ON ingress_trunks.id = sums_by_day.ingress_trunk
LEFT JOIN egress_trunks ON egress_trunks.id = sums_by_day.egress_trunk;
