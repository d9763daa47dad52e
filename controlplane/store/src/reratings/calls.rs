//! The calls of a period, priced once more and added up.

use std::collections::{BTreeMap, BTreeSet};

use rating::{Destination, rerate};
use snapshot::{Model, View};
use units::{DeckId, Money, Number, Terms};

use super::{RerateAsk, RerateItem, RerateLine, RerateSums};
use crate::decks::DeckDraft;
use crate::derived;
use crate::error::{Result, StoreError};
use crate::exchange;
use crate::model::bare_deck;
use crate::object;
use crate::rates;
use crate::search::{class, number, priced as charged};
use crate::sql::{Arg, Row, Tx, args};
use crate::sums::DAY;

/// Lines of one report at most.
const LINES_MAX: usize = 20_000;

/// What is read of a call.
const WANTED: &str = "called_routed,lrn,jurisdiction,started,duration_ms,sell_deck,sell_currency,sell_per_minute,\
     sell_connection_fee,sell_minimum_s,sell_increment_s,sell_free_s,sell_rounding,sell_decimals,sell_prefix_digits,sell_billed_s,\
     sell_price,sell_tax,sell_tax_ppm,sell_first_per_minute,sell_steps_from_zero,sell_deck_currency,sell_exchange,sell_hours,\
     sell_jurisdiction";

/// By what lines are told apart; of calls without a rate now only what they had, of unchanged ones nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    item: RerateItem,
    /// That names the destination.
    deck: u32,
    prefixes: [String; 2],
    per_minute: [i64; 2],
    currency: String,
}

/// The lines of a report, in the order in which people read them.
pub(super) async fn priced(tx: &mut Tx, carrier: u32, ask: &RerateAsk) -> Result<Vec<RerateLine>> {
    let decks = decks(tx, carrier, ask).await?;
    let model = model(tx, &decks, ask).await?;
    let names = names(&model);
    // Sorting and writing large decks takes seconds.
    let written = tokio::task::spawn_blocking(move || model.encode());
    let image = written.await.map_err(|error| StoreError::Broken(error.to_string()))?;
    let image = image.map_err(|flaw| StoreError::Broken(flaw.to_string()))?;
    let view = View::open(&image);
    let mut found: BTreeMap<Key, RerateSums> = BTreeMap::new();
    for (sql, values) in days(tx, WANTED, "", carrier, ask) {
        tx.each(sql, values, |row| {
            let (key, sums) = one(&row, &view, ask.instead)?;
            found.entry(key).or_default().add(&sums);
            if found.len() > LINES_MAX {
                let why = format!("more than {LINES_MAX} destinations and prices: ask for a shorter period");
                return Err(StoreError::invalid("till", why));
            }
            Ok(())
        })
        .await?;
    }
    let mut lines: Vec<RerateLine> = found.into_iter().map(|(key, sums)| line(key, sums, &names)).collect();
    lines.sort_by(|a, b| (a.item, &a.destination, &a.prefixes).cmp(&(b.item, &b.destination, &b.prefixes)));
    Ok(lines)
}

/// A statement for each day: none takes long, however busy the carrier is.
fn days(tx: &Tx, wanted: &str, end: &str, carrier: u32, ask: &RerateAsk) -> Vec<(String, Vec<Arg>)> {
    let only = if ask.deck.is_some() { " AND sell_deck=?" } else { "" };
    let sql = format!(
        "SELECT {wanted} FROM cdrs{} WHERE originator=? AND started>=? AND started<? AND attempt=0 \
         AND originator_account=? AND answered_ms IS NOT NULL AND sell_price IS NOT NULL{only}{end}",
        tx.dialect().by_index("cdrs_originator")
    );
    let starts = std::iter::successors(Some(ask.from.micros()), |from| Some(from + DAY));
    let starts = starts.take_while(|from| *from < ask.till.micros());
    let values = |from: i64| {
        let mut values = args![carrier, from, ask.till.micros().min(from + DAY), ask.account];
        values.extend(ask.deck.map(Arg::from));
        (sql.clone(), values)
    };
    starts.map(values).collect()
}

/// The decks that calls are to be priced by, as far as they are still there.
async fn decks(tx: &mut Tx, carrier: u32, ask: &RerateAsk) -> Result<BTreeSet<u32>> {
    if let Some(deck) = ask.instead.or(ask.deck) {
        return Ok(BTreeSet::from([deck]));
    }
    let mut decks = BTreeSet::new();
    for (sql, values) in days(tx, "sell_deck", " GROUP BY sell_deck", carrier, ask) {
        for row in tx.rows(sql, values).await? {
            decks.insert(row.num("sell_deck")?);
        }
    }
    Ok(decks)
}

/// Nothing but decks as they stand at this moment, published or not, and what their currencies are worth.
async fn model(tx: &mut Tx, wanted: &BTreeSet<u32>, ask: &RerateAsk) -> Result<Model> {
    let mut model = Model { built: ask.till, exchange_rates: exchange::of_model(tx).await?, ..Model::default() };
    for deck in object::all::<DeckDraft>(tx).await? {
        if !wanted.contains(&deck.id) {
            continue;
        }
        let rule = deck.draft.derived.clone();
        let mut deck = bare_deck(deck.id, deck.draft, ask.from);
        deck.rates = match rule {
            Some(rule) => derived::rates(tx, &rule).await?,
            None => rates::every(tx, deck.id.0).await?,
        };
        model.decks.push(deck);
    }
    Ok(model)
}

/// What decks call their prefixes: by the newest rate of each.
fn names(model: &Model) -> BTreeMap<(u32, String), String> {
    let mut rates: Vec<_> =
        model.decks.iter().flat_map(|deck| deck.rates.iter().map(|rate| (deck.id.0, rate))).collect();
    rates.sort_by_key(|(_, rate)| rate.from);
    rates.into_iter().map(|(deck, rate)| ((deck, rate.prefix.clone()), rate.destination.clone())).collect()
}

/// A call by what it is counted under, and what it adds there.
fn one(row: &Row, view: &View<'_>, instead: Option<u32>) -> Result<(Key, RerateSums)> {
    let broken = || StoreError::Broken("a call that was charged has no price".into());
    let before = charged(row, "sell")?.ok_or_else(broken)?;
    let called = number(row, "called_routed")?;
    let lrn = row.opt_text("lrn")?.map_or(Ok(Number::EMPTY), |_| number(row, "lrn"))?;
    let to = Destination { called, lrn, jurisdiction: class(row, None)?.jurisdiction };
    let (at, talked_ms) = (row.time("started")?, row.num::<u64>("duration_ms")?);
    let deck = instead.map_or(before.terms.deck, DeckId);
    let after = rerate(view, deck, &before.terms, &to, (at, talked_ms));
    let (price, tax) = after.as_ref().map_or((before.price, before.tax), |(_, charge)| (charge.price, charge.tax));
    let sums = RerateSums {
        calls: 1,
        talked_ms: i64::try_from(talked_ms).unwrap_or(i64::MAX),
        before: before.price,
        before_tax: before.tax,
        after: price,
        after_tax: tax,
    };
    let had = (prefix(&called, &before.terms), before.terms.per_minute.nanos());
    let key = match after {
        Ok((terms, charge)) if terms == before.terms && (charge.price, charge.tax) == (before.price, before.tax) => {
            Key { item: RerateItem::Same, ..Key::default() }
        }
        Ok((terms, _)) => {
            // A deck by location routing number rates that.
            let asked = view.deck(deck).map_or(called, |deck| *to.asked(&deck));
            let prefixes = [had.0, prefix(&asked, &terms)];
            let per_minute = [had.1, terms.per_minute.nanos()];
            Key { item: RerateItem::Changed, deck: deck.0, prefixes, per_minute, currency: terms.deck_currency.code() }
        }
        Err(_) => Key {
            item: RerateItem::Unrated,
            deck: before.terms.deck.0,
            prefixes: [had.0, String::new()],
            per_minute: [had.1, had.1],
            currency: before.terms.deck_currency.code(),
        },
    };
    Ok((key, sums))
}

/// The beginning of a number that terms were found by.
fn prefix(number: &Number, terms: &Terms) -> String {
    let digits = number.digits();
    let digits = &digits[..usize::from(terms.prefix_digits).min(digits.len())];
    String::from_utf8_lossy(digits).into_owned()
}

fn line(key: Key, sums: RerateSums, names: &BTreeMap<(u32, String), String>) -> RerateLine {
    let Key { item, deck, prefixes, per_minute, currency } = key;
    let newest = if item == RerateItem::Changed { &prefixes[1] } else { &prefixes[0] };
    RerateLine {
        item,
        destination: names.get(&(deck, newest.clone())).cloned().unwrap_or_default(),
        prefixes,
        per_minute: per_minute.map(Money::from_nanos),
        rate_currency: currency,
        sums,
    }
}
