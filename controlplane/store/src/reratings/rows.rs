//! Reports as rows, and back.

use units::WallTime;

use super::{Act, RerateAsk, RerateItem, RerateLine, RerateSums, Rerating};
use crate::error::{Result, StoreError};
use crate::sql::{Arg, Row, Tx, args};

pub(super) const COLUMNS: [&str; 20] = [
    "number",
    "account",
    "account_code",
    "currency",
    "deck",
    "deck_code",
    "priced_by",
    "priced_by_code",
    "starts",
    "ends",
    "why",
    "made",
    "made_by",
    "calls",
    "talked_ms",
    "cost_before",
    "tax_before",
    "cost_after",
    "tax_after",
    "booked_by",
];

/// What fits in the column of who did something.
pub(super) fn short(who: &str) -> String {
    who.chars().take(100).collect()
}

pub(super) fn values(number: u32, report: &Rerating) -> Vec<Arg> {
    let ask = &report.ask;
    let [deck, instead] = &report.deck_codes;
    let mut all = args![
        number,
        ask.account,
        report.account_code.as_str(),
        report.currency.as_str(),
        ask.deck,
        deck.as_str(),
        ask.instead,
        instead.as_str(),
        ask.from,
        ask.till,
        ask.why.as_str(),
        report.made,
        short(&ask.made_by),
    ];
    all.extend(sums_values(&report.sums));
    all.push(Arg::from(""));
    all
}

fn sums_values(sums: &RerateSums) -> Vec<Arg> {
    let RerateSums { calls, talked_ms, before, before_tax, after, after_tax } = *sums;
    args![calls, talked_ms, before, before_tax, after, after_tax]
}

fn sums(row: &Row) -> Result<RerateSums> {
    Ok(RerateSums {
        calls: row.int("calls")?,
        talked_ms: row.int("talked_ms")?,
        before: row.money("cost_before")?,
        before_tax: row.money("tax_before")?,
        after: row.money("cost_after")?,
        after_tax: row.money("tax_after")?,
    })
}

pub(super) async fn one(tx: &mut Tx, number: u32) -> Result<Rerating> {
    let row = tx.row("SELECT * FROM reratings WHERE number=?", args![number]).await?;
    rerating(&row.ok_or_else(|| StoreError::missing("re-rating", number))?)
}

pub(super) fn rerating(row: &Row) -> Result<Rerating> {
    let act = |at: &str, by: &str| -> Result<Option<Act>> {
        let Some(micros) = row.opt_int(at)? else { return Ok(None) };
        Ok(Some(Act { at: WallTime::from_micros(micros), by: row.text(by)? }))
    };
    let ask = RerateAsk {
        account: row.num("account")?,
        deck: row.opt_num("deck")?,
        instead: row.opt_num("priced_by")?,
        from: row.time("starts")?,
        till: row.time("ends")?,
        why: row.text("why")?,
        made_by: row.text("made_by")?,
    };
    Ok(Rerating {
        number: row.num("number")?,
        made: row.time("made")?,
        ask,
        account_code: row.text("account_code")?,
        deck_codes: [row.text("deck_code")?, row.text("priced_by_code")?],
        currency: row.text("currency")?,
        sums: sums(row)?,
        booked: act("booked", "booked_by")?,
        undone: act("undone", "undone_by")?,
    })
}

pub(super) const LINE_COLUMNS: [&str; 15] = [
    "rerating",
    "position",
    "kind",
    "destination",
    "prefix_before",
    "prefix_after",
    "per_minute_before",
    "per_minute_after",
    "rate_currency",
    "calls",
    "talked_ms",
    "cost_before",
    "tax_before",
    "cost_after",
    "tax_after",
];

pub(super) fn line_values(number: u32, place: usize, line: &RerateLine) -> Vec<Arg> {
    let ([prefix_before, prefix_after], [before, after]) = (&line.prefixes, line.per_minute);
    let mut all = args![
        number,
        place as u64,
        line.item as u8,
        line.destination.as_str(),
        prefix_before.as_str(),
        prefix_after.as_str(),
        before,
        after,
        line.rate_currency.as_str(),
    ];
    all.extend(sums_values(&line.sums));
    all
}

/// The lines of a report.
pub(super) async fn stored(tx: &mut Tx, number: u32) -> Result<Vec<RerateLine>> {
    let line = |row: &Row| {
        Ok(RerateLine {
            item: match row.int("kind")? {
                0 => RerateItem::Changed,
                1 => RerateItem::Unrated,
                _ => RerateItem::Same,
            },
            destination: row.text("destination")?,
            prefixes: [row.text("prefix_before")?, row.text("prefix_after")?],
            per_minute: [row.money("per_minute_before")?, row.money("per_minute_after")?],
            rate_currency: row.text("rate_currency")?,
            sums: sums(row)?,
        })
    };
    let sql = "SELECT * FROM rerating_lines WHERE rerating=? ORDER BY position";
    tx.rows(sql, args![number]).await?.iter().map(line).collect()
}
