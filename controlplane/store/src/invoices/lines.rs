//! What stands on an invoice: calls added up by destination and price.

use std::collections::{BTreeMap, BTreeSet};

use units::Money;

use super::{InvoiceItem, InvoiceLine, InvoiceSums, Part, sums};
use crate::error::{Result, StoreError};
use crate::sql::{Arg, Row, Tx, args, listed, marks};
use crate::sums::DAY;

/// Lines of one invoice at most.
const LINES_MAX: usize = 20_000;
/// Prefixes that are asked for together.
const NAMES_MAX: usize = 500;

/// By what lines are told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    item: InvoiceItem,
    deck: i64,
    prefix: String,
    per_minute: i64,
    fee: i64,
    tax_ppm: i64,
    currency: String,
}

/// The lines of a carrier's account, in the order in which people read them.
pub(super) async fn of(tx: &mut Tx, (carrier, account): (u32, u32), parts: &[Part]) -> Result<Vec<InvoiceLine>> {
    let mut found: BTreeMap<Key, InvoiceSums> = BTreeMap::new();
    let sql = statement(tx);
    for part in parts {
        // A day at a time: no statement takes long, however busy the carrier is.
        let mut from = part.from;
        while from < part.till {
            let till = part.till.min(from + DAY);
            let values = args![carrier, from, till, account, part.moved, part.made];
            for row in tx.rows(sql.as_str(), values).await? {
                let (key, sums) = read(&row, part.item)?;
                found.entry(key).or_default().add(&sums);
            }
            if found.len() > LINES_MAX {
                let why = format!("more than {LINES_MAX} destinations and prices: invoice a shorter period");
                return Err(StoreError::invalid("till", why));
            }
            from = till;
        }
    }
    let names = names(tx, found.keys()).await?;
    let mut lines: Vec<InvoiceLine> = found.into_iter().map(|(key, sums)| line(key, sums, &names)).collect();
    lines.sort_by(|a, b| (a.item, &a.destination, &a.prefix).cmp(&(b.item, &b.destination, &b.prefix)));
    Ok(lines)
}

/// The calls of a day by destination and price. A call that cost nothing moved nothing.
fn statement(tx: &Tx) -> String {
    let dialect = tx.dialect();
    let prefix = "CASE WHEN cdrs.called_routed LIKE '+%' THEN SUBSTR(cdrs.called_routed,2,cdrs.sell_prefix_digits) \
                  ELSE SUBSTR(cdrs.called_routed,1,cdrs.sell_prefix_digits) END";
    format!(
        "SELECT cdrs.sell_deck AS deck,{prefix} AS prefix,cdrs.sell_per_minute AS per_minute,\
         cdrs.sell_connection_fee AS fee,COALESCE(cdrs.sell_tax_ppm,0) AS ppm,\
         COALESCE(cdrs.sell_deck_currency,cdrs.sell_currency) AS rate_currency,COUNT(*) AS calls,\
         CAST(SUM(cdrs.sell_billed_s) AS SIGNED) AS billed_s,CAST(SUM(cdrs.sell_price) AS SIGNED) AS total,\
         CAST(SUM(COALESCE(cdrs.sell_tax,0)) AS SIGNED) AS tax \
         FROM cdrs{} {} posts ON posts.id=cdrs.id \
         WHERE cdrs.originator=? AND cdrs.started>=? AND cdrs.started<? AND cdrs.attempt=0 \
         AND cdrs.originator_account=? AND cdrs.sell_price<>0 AND posts.posted>=? AND posts.posted<? \
         GROUP BY deck,prefix,per_minute,fee,ppm,rate_currency",
        dialect.by_index("cdrs_originator"),
        dialect.join_in_order()
    )
}

fn read(row: &Row, item: InvoiceItem) -> Result<(Key, InvoiceSums)> {
    let key = Key {
        item,
        deck: row.opt_int("deck")?.unwrap_or(0),
        prefix: row.text("prefix")?,
        per_minute: row.int("per_minute")?,
        fee: row.int("fee")?,
        tax_ppm: row.int("ppm")?,
        currency: row.text("rate_currency")?,
    };
    let tax = row.money("tax")?;
    let net = row.money("total")? - tax;
    Ok((key, InvoiceSums { calls: row.int("calls")?, billed_s: row.int("billed_s")?, net, tax }))
}

/// What decks call their destinations now, as the newest rate of each prefix says.
async fn names(tx: &mut Tx, keys: impl Iterator<Item = &Key>) -> Result<BTreeMap<(i64, String), String>> {
    let mut wanted: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for key in keys {
        wanted.entry(key.deck).or_default().insert(&key.prefix);
    }
    let mut names = BTreeMap::new();
    for (deck, prefixes) in wanted {
        let prefixes: Vec<&str> = prefixes.into_iter().collect();
        for block in prefixes.chunks(NAMES_MAX) {
            let block = listed(block.iter().map(|prefix| Arg::from(*prefix)).collect());
            let sql = format!(
                "SELECT prefix,destination FROM rates WHERE deck=? AND prefix IN ({}) ORDER BY valid_from",
                marks(block.len())
            );
            for row in tx.rows(sql, [args![deck], block].concat()).await? {
                names.insert((deck, row.text("prefix")?), row.text("destination")?);
            }
        }
    }
    Ok(names)
}

fn line(key: Key, sums: InvoiceSums, names: &BTreeMap<(i64, String), String>) -> InvoiceLine {
    let Key { item, deck, prefix, per_minute, fee, tax_ppm, currency } = key;
    InvoiceLine {
        item,
        destination: names.get(&(deck, prefix.clone())).cloned().unwrap_or_default(),
        prefix,
        per_minute: Money::from_nanos(per_minute),
        connection_fee: Money::from_nanos(fee),
        rate_currency: currency,
        tax_ppm: u32::try_from(tax_ppm).unwrap_or(0),
        sums,
    }
}

pub(super) const COLUMNS: [&str; 13] = [
    "invoice",
    "position",
    "kind",
    "prefix",
    "destination",
    "per_minute",
    "connection_fee",
    "rate_currency",
    "tax_ppm",
    "calls",
    "billed_s",
    "net",
    "tax",
];

pub(super) fn values(number: u32, place: usize, line: &InvoiceLine) -> Vec<Arg> {
    let sums = &line.sums;
    args![
        number,
        place as u64,
        line.item as u8,
        line.prefix.as_str(),
        line.destination.as_str(),
        line.per_minute,
        line.connection_fee,
        line.rate_currency.as_str(),
        line.tax_ppm,
        sums.calls,
        sums.billed_s,
        sums.net,
        sums.tax,
    ]
}

/// The lines of an invoice that was made.
pub(super) async fn stored(tx: &mut Tx, number: u32) -> Result<Vec<InvoiceLine>> {
    let line = |row: &Row| {
        Ok(InvoiceLine {
            item: match row.int("kind")? {
                0 => InvoiceItem::Calls,
                1 => InvoiceItem::Late,
                _ => InvoiceItem::Fee,
            },
            destination: row.text("destination")?,
            prefix: row.text("prefix")?,
            per_minute: row.money("per_minute")?,
            connection_fee: row.money("connection_fee")?,
            rate_currency: row.text("rate_currency")?,
            tax_ppm: row.num("tax_ppm")?,
            sums: sums(row)?,
        })
    };
    let sql = "SELECT * FROM invoice_lines WHERE invoice=? ORDER BY position";
    tx.rows(sql, args![number]).await?.iter().map(line).collect()
}
