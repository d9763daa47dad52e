//! A second calculator of routes and prices, written from the README alone, says the same of random calls to random switches.
//!
//! It shares no code with `rating`: decks are maps, candidates are sorted lists, prices are fractions of 128 bits. That it can disagree is
//! shown by giving it wrong rules, each of which must be caught.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod oracle {
    pub mod choice;
    pub mod price;
    pub mod sheets;
    pub mod worlds;

    /// A rule that the calculator gets wrong on purpose.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Wrong {
        /// None.
        Nothing,
        HalvesUp,
        StepsTurned,
        FirstRateForgotten,
        TaxOnRounded,
        FreeIsShorter,
        ShortestPrefix,
        TillIncluded,
        MarginForgotten,
        BandsForgotten,
        LowPriorityFirst,
        ExchangeForgotten,
        OverrideForgotten,
        HoursForgotten,
        JurisdictionForgotten,
        StatesTurned,
        PortingForgotten,
        RoutingNumberForgotten,
        QualityForgotten,
        WindowsForgotten,
        TagsForgotten,
        FailoverRulesForgotten,
        CeilingForgotten,
        DearFirstMinuteForgotten,
    }
}

use oracle::Wrong;
use oracle::choice::{Oracle, Outcome};
use oracle::price::Quoted;
use oracle::worlds::{Call, DECKS, Dice, call, switch};
use rating::quality::Indexes;
use rating::{Ask, Candidate, Destination, Policies, Routes, Verdict, charge, routes, sell};
use snapshot::{Model, View};
use units::{Cause, IngressTrunkId, NodeId, Number, Terms, WallTime};

/// The sell rate that `rating` finds.
fn sold(view: &View<'_>, call: &Call) -> Result<Terms, Cause> {
    let number = |text: &str| Number::parse(text.as_bytes()).unwrap();
    let ingress = view.ingress(IngressTrunkId(call.ingress)).unwrap();
    let to = Destination::judged(&number(&call.calling), number(&call.called), number(&call.lrn));
    let (_, deck) = ingress.way(to.jurisdiction);
    sell(view, (ingress.id(), ingress.account()), deck, &to, WallTime::from_micros(call.at))
}

/// What `rating` says, in the calculator's words.
fn decided(view: &View<'_>, policies: &Policies, call: &Call, found: &mut Routes) -> Outcome {
    let number = |text: &str| Number::parse(text.as_bytes()).unwrap();
    let (called, at) = (number(&call.called), WallTime::from_micros(call.at));
    let ingress = view.ingress(IngressTrunkId(call.ingress)).unwrap();
    let to = Destination::judged(&number(&call.calling), called, number(&call.lrn));
    let (plan, _) = ingress.way(to.jurisdiction);
    let sell = match sold(view, call) {
        Ok(sell) => sell,
        Err(cause) => return Outcome { refusal: Some(cause.0), ..Outcome::default() },
    };
    let mut indexes = Indexes::default();
    call.indexes.iter().for_each(|(place, index)| indexes.set(*place, *index));
    let ask = Ask {
        node: NodeId(call.node),
        ingress: ingress.id(),
        plan,
        sell,
        originator: ingress.carrier(),
        calling: number(&call.calling),
        called,
        lrn: to.lrn,
        jurisdiction: to.jurisdiction,
        at,
        seed: call.seed,
        unreachable: call.unreachable,
        resting: call.resting,
        throttled: call.throttled,
        indexes,
    };
    let refusal = routes(view, policies, &ask, found).err().map(|cause| cause.0);
    let named = |one: &Candidate| (one.egress.0, one.plan.0);
    let rated = |one: &Candidate| (named(one).0, named(one).1, plain(&one.buy.unwrap()));
    let other = |one: &Candidate| match one.verdict {
        Verdict::Dropped(Cause(cause)) => (named(one).0, named(one).1, cause),
        _ => (named(one).0, named(one).1, 0),
    };
    Outcome {
        sell: Some(plain(&sell)),
        tried: found.kept().iter().map(rated).collect(),
        others: found.dropped().iter().map(other).collect(),
        refusal,
    }
}

fn plain(terms: &Terms) -> Quoted {
    Quoted {
        deck: terms.deck.0,
        prefix: usize::from(terms.prefix_digits),
        currencies: (terms.deck_currency, terms.currency),
        exchange: i128::from(terms.exchange),
        class: terms.class,
        per_minute: i128::from(terms.per_minute.nanos()),
        fee: i128::from(terms.connection_fee.nanos()),
        minimum: u64::from(terms.minimum_s),
        step: u64::from(terms.increment_s),
        free: u64::from(terms.free_s),
        rounding: terms.rounding,
        decimals: u32::from(terms.decimals),
        first: i128::from(terms.first_per_minute.unwrap_or(terms.per_minute).nanos()),
        from_zero: terms.steps_from_zero,
        tax: i128::from(terms.tax_ppm),
        blocked: false,
    }
}

/// How many of so many calls to one switch come out differently; the first is told. At most so many are counted.
fn differences(seed: u64, rates: usize, calls: u64, (wrong, most): (Wrong, u64)) -> (u64, String) {
    let model: Model = switch(seed, rates);
    let image = model.encode().unwrap_or_else(|flaw| panic!("switch {seed}: {flaw}"));
    compared(&model, &View::open(&image), (seed, calls), (wrong, most))
}

fn compared(model: &Model, view: &View<'_>, (seed, calls): (u64, u64), (wrong, most): (Wrong, u64)) -> (u64, String) {
    let policies = Policies::compile(view).unwrap();
    let oracle = Oracle::of(model, wrong);
    let (mut dice, mut found, mut count, mut first) = (Dice(seed ^ 0xCA11), Routes::default(), 0, String::new());
    for _ in 0..calls {
        let call = call(&mut dice);
        let (ours, theirs) = (decided(view, &policies, &call, &mut found), oracle.decide(&call));
        let prices = priced(view, &call, &found, &theirs, wrong);
        if ours != theirs || prices.is_some() {
            count += 1;
            if count == 1 {
                first = format!("switch {seed}, {call:?}\nrating: {ours:?}\noracle: {theirs:?}\nprice:  {prices:?}");
            }
            if count == most {
                break;
            }
        }
    }
    (count, first)
}

/// The first price of the call that `rating` computes and the calculator does not.
fn priced(view: &View<'_>, call: &Call, found: &Routes, theirs: &Outcome, wrong: Wrong) -> Option<String> {
    let sell = sold(view, call).ok();
    let theirs_all = theirs.sell.iter().chain(theirs.tried.iter().map(|(_, _, buy)| buy));
    let bought = found.kept().iter().filter_map(|candidate| candidate.buy).filter(|_| sell.is_some());
    for (terms, quoted) in sell.into_iter().chain(bought).zip(theirs_all) {
        let ours = charge(&terms, call.talk_ms);
        let ours = (u64::from(ours.billed_s), i128::from(ours.net.nanos()), i128::from(ours.price.nanos()));
        let theirs = quoted.price(call.talk_ms, wrong);
        if ours != theirs {
            return Some(format!("{} ms of {quoted:?}: {ours:?}, not {theirs:?}", call.talk_ms));
        }
    }
    None
}

#[test]
fn of_twenty_thousand_calls_to_twenty_decks_none_differs() {
    for seed in 1..=8 {
        let (count, first) = differences(seed, 150, 2_500, (Wrong::Nothing, u64::MAX));
        assert_eq!(count, 0, "{first}");
    }
}

#[test]
fn every_wrong_rule_is_caught() {
    let mut left = vec![
        Wrong::HalvesUp,
        Wrong::StepsTurned,
        Wrong::FirstRateForgotten,
        Wrong::TaxOnRounded,
        Wrong::FreeIsShorter,
        Wrong::ShortestPrefix,
        Wrong::TillIncluded,
        Wrong::MarginForgotten,
        Wrong::BandsForgotten,
        Wrong::LowPriorityFirst,
        Wrong::ExchangeForgotten,
        Wrong::OverrideForgotten,
        Wrong::HoursForgotten,
        Wrong::JurisdictionForgotten,
        Wrong::StatesTurned,
        Wrong::PortingForgotten,
        Wrong::RoutingNumberForgotten,
        Wrong::QualityForgotten,
        Wrong::WindowsForgotten,
        Wrong::TagsForgotten,
        Wrong::FailoverRulesForgotten,
        Wrong::CeilingForgotten,
        Wrong::DearFirstMinuteForgotten,
    ];
    for seed in 1..=8 {
        let model = switch(seed, 150);
        let image = model.encode().unwrap();
        let view = View::open(&image);
        left.retain(|wrong| compared(&model, &view, (seed, 2_500), (*wrong, 1)).0 == 0);
    }
    assert!(left.is_empty(), "{left:?} make no difference");
}

/// `make oracle`: ten switches of twenty decks, a million calls.
#[test]
#[ignore = "a minute in release; run by `make oracle`"]
fn of_a_million_calls_none_differs() {
    let (mut calls, mut differing) = (0, 0);
    for seed in 101..=110 {
        let (count, first) = differences(seed, 2_000, 100_000, (Wrong::Nothing, u64::MAX));
        (calls, differing) = (calls + 100_000, differing + count);
        println!("switch {seed}: {DECKS} decks of 2000 rates, 100000 calls, {count} differences {first}");
    }
    println!("oracle: {calls} calls, {differing} differences");
    assert_eq!(differing, 0);
}
