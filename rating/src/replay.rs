//! A recorded decision made once more: bit for bit the same, or the inputs and outcomes that differ.
//!
//! The record holds every input besides the snapshot. Where the snapshot of its revision gives another sell rate, order, verdict or
//! buy rate, the bytes that it is made from are not those that decided on that day.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::fmt::Display;

use snapshot::View;
use units::{Cause, EgressTrunkId, Number, Terms};

use crate::charge::{Charge, charge};
use crate::decision::{Decision, encode};
use crate::margin::in_currency;
use crate::policy::Policies;
use crate::routes::{Ask, Candidate, Routes, Verdict, quote, routes};

/// One thing that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What: `revision`, `sell rate of 44 in acme-sell: price of a minute`, `order`, `oria-1: verdict` and the like.
    pub input: String,
    /// What the record says.
    pub recorded: String,
    /// What came out this time.
    pub repeated: String,
}

impl Difference {
    fn new(input: impl Into<String>, recorded: impl Display, repeated: impl Display) -> Difference {
        Difference { input: input.into(), recorded: recorded.to_string(), repeated: repeated.to_string() }
    }
}

/// Makes recorded decisions again. It keeps what each needs, so that the thousandth costs no memory of its own.
#[derive(Clone, Debug, Default)]
pub struct Repeater {
    routes: Routes,
    bytes: Vec<u8>,
}

impl Repeater {
    /// Decides again what `bytes` decode to; empty when every byte of the record comes out the same.
    pub fn repeat(
        &mut self,
        view: &View<'_>,
        policies: &Policies,
        bytes: &[u8],
        decision: &Decision,
    ) -> Vec<Difference> {
        if view.revision() != decision.revision {
            return vec![Difference::new("revision", decision.revision, view.revision())];
        }
        let ask = &decision.ask;
        let mut found = sell(view, ask);
        let outcome = routes(view, policies, ask, &mut self.routes);
        encode(decision.revision, ask, &self.routes, &mut self.bytes);
        if self.bytes == bytes {
            return found;
        }
        if view.plan(ask.plan).is_none() {
            found.push(Difference::new("plan", ask.plan.0, "not in the snapshot"));
        }
        compare(view, ask, decision, self.routes.all(), &mut found);
        if found.is_empty() {
            let said = outcome.map_or_else(|cause| cause.to_string(), |()| "routes found".to_string());
            found.push(Difference::new("record", format!("{} bytes", bytes.len()), said));
        }
        found
    }
}

/// A price of a CDR computed again from the milliseconds and terms that stand beside it.
pub fn price(side: &str, terms: &Terms, duration_ms: u64, recorded: Charge) -> Option<Difference> {
    let repeated = charge(terms, duration_ms);
    let told = |charge: &Charge| format!("{} for {} s", charge.price, charge.billed_s);
    (repeated != recorded).then(|| Difference::new(format!("{side} price"), told(&recorded), told(&repeated)))
}

/// Terms that should be the same; `whose` says what they are the rate of.
pub fn same_terms(whose: &str, called: &Number, recorded: &Terms, repeated: &Terms, out: &mut Vec<Difference>) {
    let before = out.len();
    let prefix = |terms: &Terms| {
        let digits = called.digits();
        let prefix = &digits[..usize::from(terms.prefix_digits).min(digits.len())];
        String::from_utf8_lossy(prefix).into_owned()
    };
    let mut look = |what: &str, recorded: String, repeated: String| {
        if recorded != repeated {
            out.push(Difference { input: format!("{whose}: {what}"), recorded, repeated });
        }
    };
    look("deck", recorded.deck.0.to_string(), repeated.deck.0.to_string());
    look("prefix", prefix(recorded), prefix(repeated));
    look("currency", recorded.currency.to_string(), repeated.currency.to_string());
    look("price of a minute", recorded.per_minute.to_string(), repeated.per_minute.to_string());
    let first = |terms: &Terms| terms.first_per_minute.map_or("none".to_string(), |first| first.to_string());
    look("price of a minute within the minimum", first(recorded), first(repeated));
    look("exchange", recorded.exchange.to_string(), repeated.exchange.to_string());
    look("tax in millionths", recorded.tax_ppm.to_string(), repeated.tax_ppm.to_string());
    look("connection fee", recorded.connection_fee.to_string(), repeated.connection_fee.to_string());
    look("minimum/increment/free", steps(recorded), steps(repeated));
    look("hours", recorded.class.hours.to_string(), repeated.class.hours.to_string());
    look("jurisdiction", recorded.class.jurisdiction.to_string(), repeated.class.jurisdiction.to_string());
    look("rounding", format!("{:?}", recorded.rounding), format!("{:?}", repeated.rounding));
    look("decimals", recorded.decimals.to_string(), repeated.decimals.to_string());
    if out.len() == before && recorded != repeated {
        out.push(Difference::new(format!("{whose}: terms"), format!("{recorded:?}"), format!("{repeated:?}")));
    }
}

fn steps(terms: &Terms) -> String {
    format!("{}/{}/{}", terms.minimum_s, terms.increment_s, terms.free_s)
}

fn sell(view: &View<'_>, ask: &Ask) -> Vec<Difference> {
    let mut found = Vec::new();
    let deck = view.deck(ask.sell.deck).map_or_else(|| format!("deck {}", ask.sell.deck.0), |deck| deck.code().into());
    let paid_in = |terms| in_currency(view, terms, ask.sell.currency, ask.at).ok_or(Cause::ORIGINATOR_RATE_NOT_FOUND);
    match quote(view, ask.sell.deck, &ask.destination(), ask.at).and_then(paid_in) {
        Ok(sell) if sell == ask.sell => {}
        Ok(sell) => same_terms(&format!("sell rate in {deck}"), &ask.called, &ask.sell, &sell, &mut found),
        Err(cause) => {
            let recorded = format!("{} {} a minute", ask.sell.per_minute, ask.sell.currency);
            found.push(Difference::new(format!("sell rate in {deck}"), recorded, cause));
        }
    }
    found
}

fn compare(view: &View<'_>, ask: &Ask, decision: &Decision, repeated: &[Candidate], out: &mut Vec<Difference>) {
    let recorded = &decision.candidates;
    // A trunk may stand in the plan and in a failover plan, and twice in one of them: the n-th mention belongs to the n-th.
    let same = |a: &Candidate, b: &Candidate| (a.plan, a.egress) == (b.plan, b.egress);
    for (place, candidate) in recorded.iter().enumerate() {
        let name = code(view, candidate.egress);
        let mention = recorded[..place].iter().filter(|other| same(other, candidate)).count();
        match repeated.iter().filter(|other| same(other, candidate)).nth(mention) {
            Some(again) => one(view, ask, &name, candidate, again, out),
            None => out.push(Difference::new(format!("candidate {name}"), told(candidate), "not in the plan")),
        }
    }
    if recorded.len() + usize::from(decision.omitted) < repeated.len() {
        let known = |candidate: &&Candidate| !recorded.iter().any(|other| same(other, candidate));
        for candidate in repeated.iter().filter(known) {
            let name = code(view, candidate.egress);
            out.push(Difference::new(format!("candidate {name}"), "not in the plan", told(candidate)));
        }
    }
    let (before, after) = (order(view, recorded), order(view, repeated));
    if before != after {
        out.push(Difference::new("order", before, after));
    }
}

fn one(view: &View<'_>, ask: &Ask, name: &str, recorded: &Candidate, repeated: &Candidate, out: &mut Vec<Difference>) {
    let before = out.len();
    if (recorded.carrier, recorded.account) != (repeated.carrier, repeated.account) {
        let whose = |one: &Candidate| format!("carrier {}, account {}", one.carrier.0, one.account.0);
        out.push(Difference::new(format!("{name}: terminator"), whose(recorded), whose(repeated)));
    }
    match (&recorded.buy, &repeated.buy) {
        (Some(then), Some(again)) => {
            let deck = view.deck(again.deck).map_or("", |deck| deck.code());
            same_terms(&format!("{name}: buy rate in {deck}"), &ask.called, then, again, out);
        }
        (then, again) if then != again => {
            let price = |terms: &Option<Terms>| terms.map_or("none".to_string(), |terms| terms.per_minute.to_string());
            out.push(Difference::new(format!("{name}: buy rate"), price(then), price(again)));
        }
        _ => {}
    }
    if (recorded.verdict, recorded.reason) != (repeated.verdict, repeated.reason) {
        out.push(Difference::new(format!("{name}: verdict"), told(recorded), told(repeated)));
    }
    if recorded.margin != repeated.margin {
        out.push(Difference::new(format!("{name}: margin"), recorded.margin, repeated.margin));
    }
    if out.len() == before && recorded != repeated {
        out.push(Difference::new(format!("{name}: candidate"), format!("{recorded:?}"), format!("{repeated:?}")));
    }
}

fn order(view: &View<'_>, candidates: &[Candidate]) -> String {
    let kept = candidates.iter().filter(|candidate| candidate.verdict == Verdict::Kept);
    let codes: Vec<String> = kept.map(|candidate| code(view, candidate.egress)).collect();
    if codes.is_empty() { "no route".into() } else { codes.join(", ") }
}

fn code(view: &View<'_>, id: EgressTrunkId) -> String {
    view.egress(id).map_or_else(|| format!("egress trunk {}", id.0), |trunk| trunk.code().into())
}

fn told(candidate: &Candidate) -> String {
    let verdict = match candidate.verdict {
        Verdict::Kept => "kept".into(),
        Verdict::Surplus => "surplus".into(),
        Verdict::Dropped(cause) => cause.to_string(),
    };
    match candidate.reason {
        Some(reason) => format!("{verdict}, {reason:?}"),
        None => verdict,
    }
}
