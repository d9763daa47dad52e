//! Decks that are computed from others: how that is kept, and their rates.

use std::collections::BTreeMap;

use rating::derive::{Derived, SOURCES_MAX, Take};
use snapshot::Rate;
use units::{DeckId, Jurisdiction, Percent};

use crate::decks::{Deck, DeckDraft};
use crate::error::{ConflictKind, Result, StoreError};
use crate::object;
use crate::rates;
use crate::sql::{Arg, Row, Tx, args};

/// Decks between a computed one and those with rates of their own, at most.
const DEPTH_MAX: usize = 8;

/// Decks that are computed or read for one, each time that one of them is needed counted.
const VISITS_MAX: usize = 256;

/// Its columns, in the order of [`values`].
pub(crate) fn values(derived: Option<&Derived>) -> Vec<Arg> {
    let none = Derived::default();
    let d = derived.unwrap_or(&none);
    let from: Vec<String> = d.from.iter().map(|deck| deck.0.to_string()).collect();
    args![
        from.join(","),
        d.take as u8,
        d.add_fixed,
        i64::from(d.add.ppm()),
        d.floor_per_minute,
        d.minimum_s,
        d.increment_s,
        d.free_s
    ]
}

pub(crate) fn read(row: &Row) -> Result<Option<Derived>> {
    let text = row.text("derive_from")?;
    if text.is_empty() {
        return Ok(None);
    }
    let from: std::result::Result<Vec<u32>, _> = text.split(',').map(str::parse).collect();
    let from = from.map_err(|_| StoreError::Broken(format!("column derive_from holds {text:?}")))?;
    Ok(Some(Derived {
        from: from.into_iter().map(DeckId).collect(),
        take: if row.int("derive_take")? == 0 { Take::Max } else { Take::Min },
        add_fixed: row.money("derive_add_fixed")?,
        add: Percent::from_ppm(row.num("derive_add_ppm")?),
        floor_per_minute: row.money("derive_floor")?,
        minimum_s: row.num("derive_minimum_s")?,
        increment_s: row.num("derive_increment_s")?,
        free_s: row.num("derive_free_s")?,
    }))
}

/// Refuses what no deck could be computed by.
pub(crate) fn check(d: &Derived) -> Result<()> {
    let mut each = d.from.clone();
    each.sort_unstable();
    each.dedup();
    if each.len() != d.from.len() || !(1..=SOURCES_MAX).contains(&d.from.len()) {
        return Err(StoreError::invalid("derived", format!("needs 1 to {SOURCES_MAX} decks, each once")));
    }
    if d.add.ppm() < -1_000_000 || d.floor_per_minute.nanos() < 0 {
        return Err(StoreError::invalid("derived", "takes off 100 per cent at most, and its floor is 0 or more"));
    }
    if d.increment_s == 0 {
        return Err(StoreError::invalid("derived", "its increment_s must be 1 or more"));
    }
    Ok(())
}

/// Refuses sources that are not there, count in another currency or lead back to the deck; and rates beside computed ones.
pub(crate) async fn check_links(tx: &mut Tx, id: u32, draft: &DeckDraft, rates: u64) -> Result<()> {
    let Some(derived) = &draft.derived else { return Ok(()) };
    if rates > 0 {
        return Err(StoreError::invalid(
            "derived",
            format!("the deck has {rates} rates of its own; remove them first"),
        ));
    }
    let mut next: Vec<(DeckId, usize)> = derived.from.iter().map(|deck| (*deck, 1)).collect();
    let mut visits = 0;
    while let Some((source, depth)) = next.pop() {
        let deck = source_of(tx, source).await?;
        visits += 1;
        if deck.id == id {
            return Err(StoreError::invalid("derived", format!("deck {} would be computed from itself", draft.code)));
        }
        if depth > DEPTH_MAX || visits > VISITS_MAX {
            let why = format!("deck {} would be computed through more than {DEPTH_MAX} others", draft.code);
            return Err(StoreError::invalid("derived", why));
        }
        if deck.currency != draft.currency {
            let why = format!("deck {} counts in {}, not in {}", deck.code, deck.currency, draft.currency);
            return Err(StoreError::invalid("derived", why));
        }
        next.extend(deck.derived.iter().flat_map(|derived| &derived.from).map(|deck| (*deck, depth + 1)));
    }
    Ok(())
}

async fn source_of(tx: &mut Tx, deck: DeckId) -> Result<Deck> {
    match object::get::<DeckDraft>(tx, deck.0).await {
        Err(StoreError::NotFound { .. }) => {
            Err(StoreError::invalid("derived", format!("there is no deck with the id {deck}")))
        }
        found => found,
    }
}

/// Refuses to delete a deck that another is computed from.
pub(crate) async fn check_unused(tx: &mut Tx, id: u32) -> Result<()> {
    let all = object::all::<DeckDraft>(tx).await?;
    let uses = |deck: &&Deck| deck.derived.as_ref().is_some_and(|derived| derived.from.contains(&DeckId(id)));
    match all.iter().find(uses) {
        None => Ok(()),
        Some(deck) => {
            let why = format!("deck {} is computed from it", deck.code);
            Err(StoreError::conflict(ConflictKind::InUse, "deck", id, &why))
        }
    }
}

/// The rates of a computed deck in order of prefix and date.
pub(crate) async fn rates(tx: &mut Tx, derived: &Derived) -> Result<Vec<Rate>> {
    let (mut rules, mut known) = (BTreeMap::new(), BTreeMap::new());
    let mut next = derived.from.clone();
    while let Some(source) = next.pop() {
        if rules.contains_key(&source) || known.contains_key(&source) {
            continue;
        }
        let deck = source_of(tx, source).await?.draft;
        match deck.derived {
            Some(rule) => {
                next.extend(&rule.from);
                rules.insert(source, rule);
            }
            None => {
                let mut own = rates::every(tx, source.0).await?;
                // What does not count there does not count here.
                own.retain(|rate| deck.by_jurisdiction || rate.class.jurisdiction == Jurisdiction::Any);
                known.insert(source, own);
            }
        }
    }
    Ok(computed(derived, &rules, &known, 0))
}

fn computed(
    rule: &Derived,
    rules: &BTreeMap<DeckId, Derived>,
    known: &BTreeMap<DeckId, Vec<Rate>>,
    depth: usize,
) -> Vec<Rate> {
    let of = |deck: &DeckId| match (rules.get(deck), known.get(deck)) {
        (Some(rule), _) if depth < DEPTH_MAX => computed(rule, rules, known, depth + 1),
        (_, own) => own.cloned().unwrap_or_default(),
    };
    let sources: Vec<Vec<Rate>> = rule.from.iter().map(of).collect();
    rule.rates(&sources.iter().map(Vec::as_slice).collect::<Vec<_>>())
}
