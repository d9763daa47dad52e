//! Decks as maps from a prefix to its rates, asked for each head of a number from the longest on.

use std::collections::BTreeMap;

use snapshot::{Deck, Model, Rate};

use super::Wrong;
use super::price::Quoted;

/// All decks of a model.
pub struct Sheets<'a> {
    decks: BTreeMap<u32, (&'a Deck, BTreeMap<&'a str, Vec<&'a Rate>>)>,
}

impl<'a> Sheets<'a> {
    pub fn of(model: &'a Model) -> Sheets<'a> {
        let mut decks = BTreeMap::new();
        for deck in &model.decks {
            let mut prefixes: BTreeMap<&str, Vec<&Rate>> = BTreeMap::new();
            for rate in &deck.rates {
                prefixes.entry(&rate.prefix).or_default().push(rate);
            }
            decks.insert(deck.id.0, (deck, prefixes));
        }
        Sheets { decks }
    }

    /// The rate of the longest prefix that has one in force; of several the one that began last.
    pub fn find(&self, deck: u32, called: &str, at: i64, wrong: Wrong) -> Option<Quoted> {
        let (deck, prefixes) = self.decks.get(&deck)?;
        let called = called.strip_prefix('+').unwrap_or(called);
        let mut heads: Vec<&str> = (0..=called.len().min(15)).rev().map(|length| &called[..length]).collect();
        if wrong == Wrong::ShortestPrefix {
            heads.reverse();
        }
        let in_force = |rate: &&&Rate| {
            let ends = rate.till.map_or(i64::MAX, |till| till.micros());
            let is_before_end = if wrong == Wrong::TillIncluded { at <= ends } else { at < ends };
            rate.from.micros() <= at && is_before_end
        };
        let best = |rates: &Vec<&'a Rate>| rates.iter().filter(in_force).max_by_key(|rate| rate.from).copied();
        let rate = heads.iter().find_map(|head| prefixes.get(head).and_then(best))?;
        Some(Quoted::of(deck, rate))
    }
}
