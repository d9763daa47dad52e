//! `tandem cdr compare`: a carrier's list of calls against our records.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use cdr::Cdr;
use clap::Args;
use serde_json::{Value, json};
use store::{CarrierDraft, CdrFilter, SEARCH_ROWS_MAX, Store};
use units::{Money, WallTime};

use super::cdr::when;
use super::{EXIT_DIFFERENT, ListForm, Misused, Place, moment};
use crate::compare::{self, Difference, ROWS_MAX, Told, Tolerance};

/// `tandem cdr compare`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Their list: CSV with a header. Columns: called, start, seconds; calling, price and disposition may be there too, under the names
    /// that switches give them (destination, calldate, billsec, …).
    file: PathBuf,
    /// The carrier that sent the calls: its list is of what it pays.
    #[arg(long, conflicts_with = "terminator", required_unless_present = "terminator")]
    originator: Option<String>,
    /// The carrier that took the calls: its list is of what it is owed.
    #[arg(long)]
    terminator: Option<String>,
    /// Calls that began at or after: a moment, a date (UTC), or a span back from now such as 1d.
    #[arg(long)]
    from: String,
    /// Calls that began before.
    #[arg(long)]
    till: String,
    /// The clock of their list where its times have no offset, as IANA names it.
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// Seconds between the starts of what may be one call.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(0..=86_400))]
    start_within: u32,
    /// Seconds by which talk times may differ.
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    seconds_within: u32,
    /// By how much prices may differ.
    #[arg(long, value_name = "PRICE", default_value = "0.0001")]
    price_within: String,
    /// Only so many of the last digits of called numbers count, where prefixes differ.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(4..=15))]
    last_digits: Option<u8>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: ListForm,
}

pub async fn run(ask: Arguments) -> Result<ExitCode> {
    let wrong = |zone: &str| Misused(format!("{zone:?} is no zone as IANA names it"));
    let zone = jiff::tz::TimeZone::get(&ask.zone).map_err(|_| wrong(&ask.zone))?;
    let price = Money::parse(&ask.price_within).filter(|price| *price >= Money::ZERO);
    let price = price.ok_or_else(|| Misused(format!("{:?} is no amount such as 0.0001", ask.price_within)))?;
    let tolerance = Tolerance {
        start_us: i64::from(ask.start_within) * 1_000_000,
        seconds: u64::from(ask.seconds_within),
        price,
        last_digits: ask.last_digits.map(usize::from),
    };
    let (from, till) = (when(&ask.from)?, when(&ask.till)?);
    let bytes = std::fs::read(&ask.file).with_context(|| format!("{} cannot be read", ask.file.display()))?;
    let text = String::from_utf8(bytes).map_err(|_| Misused(format!("{} is not UTF-8", ask.file.display())))?;
    let theirs = compare::read(&text, &zone).map_err(|why| Misused(format!("{}: {why}", ask.file.display())))?;
    let outside = theirs.iter().filter(|told| told.started < from || told.started >= till).count();
    let theirs: Vec<Told> = theirs.into_iter().filter(|told| told.started >= from && told.started < till).collect();
    let store = ask.place.store().await?;
    let ours = ours(&store, &ask, (from, till)).await?;
    let (their_count, our_count) = (theirs.len(), ours.len());
    let (their_s, our_s) = (talk(&theirs), talk(&ours));
    let (their_price, our_price) = (worth(&theirs), worth(&ours));
    let compared = compare::compare(theirs, ours, &tolerance);
    let rows: Vec<Vec<String>> = compared.differences.iter().map(cells).collect();
    let head =
        ["what", "called", "their start", "our start", "their s", "our s", "their price", "our price", "row", "call"];
    ask.form.show(&head, &rows, || compared.differences.iter().map(object).collect::<Vec<Value>>())?;
    eprintln!(
        "theirs: {their_count} calls, {their_s} s, {their_price}; ours: {our_count} calls, {our_s} s, {our_price}; both have {}",
        compared.paired
    );
    if outside > 0 {
        eprintln!("{outside} of theirs began outside the window and were left out");
    }
    Ok(if compared.differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DIFFERENT) })
}

/// Our answered calls of the window with that carrier.
async fn ours(store: &Store, ask: &Arguments, (from, till): (WallTime, WallTime)) -> Result<Vec<Told>> {
    let id = |code: &Option<String>| {
        let code = code.clone();
        async move {
            match code {
                Some(code) => store.by_code::<CarrierDraft>(&code).await.map(|carrier| Some(carrier.id)),
                None => Ok(None),
            }
        }
    };
    let (originator, terminator) = (id(&ask.originator).await?, id(&ask.terminator).await?);
    let limit = SEARCH_ROWS_MAX;
    let mut filter =
        CdrFilter { from, till, originator, terminator, limit, answered: Some(true), ..CdrFilter::default() };
    let mut all = Vec::new();
    loop {
        let page: Vec<Cdr> = store.search_cdrs(&filter).await?;
        all.extend(page.iter().map(|cdr| compare::ours(cdr, originator.is_some())));
        if all.len() > ROWS_MAX {
            return Err(Misused(format!("more than {ROWS_MAX} calls of ours: compare a shorter window")).into());
        }
        match page.last().filter(|_| page.len() == limit as usize) {
            Some(last) => filter.after = Some((last.started, last.call.to_bytes(last.attempt))),
            None => return Ok(all),
        }
    }
}

fn talk(all: &[Told]) -> u64 {
    all.iter().map(|told| told.seconds).sum()
}

fn worth(all: &[Told]) -> Money {
    all.iter().filter_map(|told| told.price).fold(Money::ZERO, |sum, price| sum + price)
}

fn cells(it: &Difference) -> Vec<String> {
    let of = |told: &Option<Told>, shown: fn(&Told) -> String| told.as_ref().map_or_else(|| "-".to_owned(), shown);
    let price = |told: &Told| told.price.map_or_else(String::new, |price| price.to_string());
    let called = it.theirs.as_ref().or(it.ours.as_ref()).map_or_else(String::new, |told| told.called.clone());
    vec![
        it.kind.word().to_owned(),
        called,
        of(&it.theirs, |told| moment(told.started)),
        of(&it.ours, |told| moment(told.started)),
        of(&it.theirs, |told| told.seconds.to_string()),
        of(&it.ours, |told| told.seconds.to_string()),
        of(&it.theirs, price),
        of(&it.ours, price),
        of(&it.theirs, |told| told.place.clone()),
        of(&it.ours, |told| told.place.clone()),
    ]
}

fn object(it: &Difference) -> Value {
    let told = |told: &Option<Told>| {
        told.as_ref().map(|told| {
            json!({ "called": told.called, "calling": told.calling, "started": moment(told.started),
                "seconds": told.seconds, "price": told.price.map(|price| price.to_string()), "place": told.place })
        })
    };
    json!({ "what": it.kind.word(), "theirs": told(&it.theirs), "ours": told(&it.ours) })
}
