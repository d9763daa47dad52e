//! Whether the switch's books agree with what the load test saw: each call one CDR, each price what the deck says, each account
//! charged exactly that.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, Result};
use cdr::Cdr;
use serde::Deserialize;
use store::{CdrFilter, CdrKind, SEARCH_ROWS_MAX, Store};
use units::{AttemptIndex, Money, WallTime};

use super::decks::Deck;

/// The two ends of a call are measured at two places; a busy machine may wake one of them late.
const DURATION_TOLERANCE_MS: u64 = 500;
/// Disagreements told in full; the rest is counted.
const TOLD_MAX: usize = 10;

/// One line of the load test's own notes.
#[derive(Debug, Deserialize)]
pub struct Noted {
    call_id: String,
    answered_us: Option<u64>,
    code: u16,
    duration_ms: u64,
}

/// Reads what the load test noted.
pub fn read_notes(path: &Path) -> Result<Vec<Noted>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<serde_json::Result<_>>().with_context(|| format!("{} is damaged", path.display()))
}

/// Every call record of the window, oldest last.
pub async fn read_calls(store: &Store, from: WallTime, till: WallTime) -> Result<Vec<Cdr>> {
    let kind = CdrKind::Calls;
    let mut filter = CdrFilter { from, till, limit: SEARCH_ROWS_MAX, kind, ..CdrFilter::default() };
    let mut all = Vec::new();
    loop {
        let page = store.search_cdrs(&filter).await.context("cannot read the CDRs")?;
        let Some(last) = page.last() else { return Ok(all) };
        filter.after = Some((last.started, last.call.to_bytes(AttemptIndex(0))));
        all.extend(page);
    }
}

/// What was found.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Calls that the load test placed and that got any final response.
    pub expected: usize,
    /// Call records found for them.
    pub collected: usize,
    /// Calls answered, as the load test saw it.
    pub answered: usize,
    /// What originators should pay by the demo's own arithmetic, in millionths.
    pub money_expected: u64,
    /// What the CDRs say they pay.
    pub money_rated: Money,
    /// What was booked on their accounts.
    pub money_charged: Money,
    /// What does not agree, in sentences.
    pub disagreements: Vec<String>,
    /// How many there are.
    pub wrong: usize,
}

impl Verdict {
    fn disagree(&mut self, text: String) {
        self.wrong += 1;
        if self.disagreements.len() < TOLD_MAX {
            self.disagreements.push(text);
        }
    }

    /// True when the books are exact.
    pub fn agrees(&self) -> bool {
        self.wrong == 0
    }
}

/// Compares. `tech` is what stands before the called number for some originators, `charged` what their accounts paid.
pub fn compare(notes: &[Noted], calls: &[Cdr], sell: &Deck, charged: Money) -> Verdict {
    let mut verdict = Verdict { money_charged: charged, ..Verdict::default() };
    let mut by_call_id: HashMap<&str, Vec<&Cdr>> = HashMap::new();
    for call in calls {
        by_call_id.entry(&call.ingress_call_id).or_default().push(call);
    }
    for noted in notes {
        let found = by_call_id.remove(noted.call_id.as_str()).unwrap_or_default();
        verdict.collected += found.len();
        if noted.code > 0 {
            verdict.expected += 1;
        }
        if noted.answered_us.is_some() {
            verdict.answered += 1;
        }
        check(noted, &found, &mut verdict);
    }
    for (call_id, strangers) in by_call_id {
        verdict.disagree(format!("{} CDRs of call {call_id}, which nobody placed", strangers.len()));
    }
    for call in calls {
        rate(call, sell, &mut verdict);
    }
    let expected = Money::from_nanos(verdict.money_expected as i64 * 1_000);
    if verdict.money_rated != expected || charged != expected {
        let rated = verdict.money_rated;
        verdict.disagree(format!("money: expected {expected}, CDRs say {rated}, accounts were charged {charged}"));
    }
    verdict
}

fn check(noted: &Noted, found: &[&Cdr], verdict: &mut Verdict) {
    let id = &noted.call_id;
    match found {
        // A call that the switch never answered in any way may have reached it or not.
        [] if noted.code == 0 => {}
        [call] => {
            let (here, there) = (noted.answered_us.is_some(), call.answered_ms.is_some());
            if here != there && noted.code > 0 {
                verdict.disagree(format!("call {id}: answered {here} for its caller, {there} in its CDR"));
            }
            let off = noted.duration_ms.abs_diff(call.duration_ms);
            if here && there && off > DURATION_TOLERANCE_MS {
                let (ours, theirs) = (noted.duration_ms, call.duration_ms);
                verdict.disagree(format!("call {id}: {ours} ms for its caller, {theirs} ms in its CDR"));
            }
        }
        _ => verdict.disagree(format!("call {id} has {} CDRs", found.len())),
    }
}

fn rate(call: &Cdr, sell: &Deck, verdict: &mut Verdict) {
    let seen = call.sell.map_or(Money::ZERO, |priced| priced.price);
    verdict.money_rated += seen;
    if call.answered_ms.is_none() {
        if seen != Money::ZERO {
            verdict.disagree(format!("call {} was not answered and costs {seen}", call.ingress_call_id));
        }
        return;
    }
    let called = call.called_routed.as_str();
    let Some(price) = sell.price(called, call.duration_ms) else {
        verdict.disagree(format!("call {} to {called} has no rate and was answered", call.ingress_call_id));
        return;
    };
    verdict.money_expected += price;
    if seen.nanos() != price as i64 * 1_000 {
        let (id, ms) = (&call.ingress_call_id, call.duration_ms);
        let should = Money::from_nanos(price as i64 * 1_000);
        verdict.disagree(format!("call {id} of {ms} ms to {called} costs {seen}, should cost {should}"));
    }
}

#[cfg(test)]
mod tests {
    use cdr::Priced;
    use units::Number;

    use super::*;

    fn noted(call_id: &str, duration_ms: u64) -> Noted {
        Noted { call_id: call_id.into(), answered_us: Some(1), code: 200, duration_ms }
    }

    fn call(call_id: &str, duration_ms: u64, price: Money) -> Cdr {
        Cdr {
            ingress_call_id: call_id.into(),
            called_routed: Number::parse(b"447700900000").expect("digits"),
            answered_ms: Some(10),
            duration_ms,
            sell: Some(Priced { price, ..Priced::default() }),
            ..Cdr::default()
        }
    }

    #[test]
    fn books_agree_only_when_every_call_every_price_and_every_account_does() {
        let deck = Deck::generate(125, 0);
        let millionths = deck.price("447700900000", 61_000).expect("a rate");
        let price = Money::from_nanos(millionths as i64 * 1_000);
        let right = call("a", 61_000, price);
        let free = Cdr { answered_ms: None, duration_ms: 0, ..right.clone() };
        let refused = Noted { answered_us: None, code: 503, ..noted("a", 0) };
        let unheard = Noted { answered_us: None, code: 0, ..noted("a", 0) };
        let stories: [(&str, bool, Noted, Vec<Cdr>, Money); 9] = [
            ("all is well", true, noted("a", 61_020), vec![right.clone()], price),
            ("nothing came of a call that nobody heard", true, unheard, vec![], Money::ZERO),
            ("a record is missing", false, noted("a", 61_020), vec![], Money::ZERO),
            ("a record stands twice", false, noted("a", 61_020), vec![right.clone(), right.clone()], price + price),
            ("a record is nobody's", false, noted("b", 61_020), vec![right.clone()], price),
            ("a price is wrong", false, noted("a", 61_020), vec![call("a", 61_000, price + price)], price + price),
            ("a duration is wrong", false, noted("a", 63_000), vec![right.clone()], price),
            ("an account was charged otherwise", false, noted("a", 61_020), vec![right.clone()], price + price),
            ("a refused call costs something", false, refused, vec![free], price),
        ];
        for (what, agrees, noted, calls, charged) in stories {
            let verdict = compare(&[noted], &calls, &deck, charged);
            assert_eq!(verdict.agrees(), agrees, "{what}: {:?}", verdict.disagreements);
        }
    }
}
