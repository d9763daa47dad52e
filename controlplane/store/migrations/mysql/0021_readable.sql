-- For people who query by hand, beside cdrs_readable: codes instead of ids, times as UTC text, money as decimals.
CREATE VIEW accounts_readable AS
SELECT
    accounts.code AS account,
    carriers.code AS carrier,
    accounts.currency,
    CASE accounts.kind WHEN 0 THEN 'prepaid' ELSE 'postpaid' END AS kind,
    CAST(ledger_accounts.available AS DECIMAL(20,0)) * 0.000000001 AS available,
    CAST(ledger_accounts.held AS DECIMAL(20,0)) * 0.000000001 AS held,
    CAST(ledger_accounts.settled AS DECIMAL(20,0)) * 0.000000001 AS settled,
    CAST(ledger_accounts.funds AS DECIMAL(20,0)) * 0.000000001 AS funds,
    CAST(ledger_accounts.owed AS DECIMAL(20,0)) * 0.000000001 AS owed,
    CAST(accounts.credit_limit AS DECIMAL(20,0)) * 0.000000001 AS credit_limit,
    CAST(accounts.day_cap AS DECIMAL(20,0)) * 0.000000001 AS day_cap,
    CAST(accounts.month_cap AS DECIMAL(20,0)) * 0.000000001 AS month_cap,
    CASE accounts.zone WHEN '' THEN 'UTC' ELSE accounts.zone END AS zone
FROM accounts
JOIN carriers ON carriers.id = accounts.carrier
LEFT JOIN ledger_accounts ON ledger_accounts.account = accounts.id;

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
    TIMESTAMPADD(MICROSECOND, rates.valid_from, '1970-01-01 00:00:00.000000') AS from_utc,
    TIMESTAMPADD(MICROSECOND, rates.valid_till, '1970-01-01 00:00:00.000000') AS till_utc,
    rates.blocked,
    CAST(rates.per_minute AS DECIMAL(20,0)) * 0.000000001 AS per_minute,
    CAST(rates.first_per_minute AS DECIMAL(20,0)) * 0.000000001 AS first_per_minute,
    CAST(rates.connection_fee AS DECIMAL(20,0)) * 0.000000001 AS connection_fee,
    rates.minimum_s,
    rates.increment_s,
    rates.free_s
FROM rates
JOIN decks ON decks.id = rates.deck;

CREATE VIEW sums_readable AS
SELECT
    TIMESTAMPADD(MICROSECOND, sums_by_day.slot, '1970-01-01 00:00:00.000000') AS day_utc,
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
    CAST(sums_by_day.revenue AS DECIMAL(20,0)) * 0.000000001 AS revenue,
    CAST(sums_by_day.cost AS DECIMAL(20,0)) * 0.000000001 AS cost
FROM sums_by_day
LEFT JOIN carriers AS originators ON originators.id = sums_by_day.originator
LEFT JOIN carriers AS terminators ON terminators.id = sums_by_day.terminator
LEFT JOIN ingress_trunks ON ingress_trunks.id = sums_by_day.ingress_trunk
LEFT JOIN egress_trunks ON egress_trunks.id = sums_by_day.egress_trunk;
