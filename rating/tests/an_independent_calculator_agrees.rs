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
    }
}

use oracle::Wrong;
use oracle::choice::{Oracle, Outcome};
use oracle::price::Quoted;
use oracle::worlds::{Call, DECKS, Dice, call, switch};
use rating::{Ask, Candidate, Policies, Routes, Verdict, charge, quote, routes};
use snapshot::{Model, View};
use units::{Cause, IngressTrunkId, NodeId, Number, Terms, WallTime};

/// What `rating` says, in the calculator's words.
fn decided(view: &View<'_>, policies: &Policies, call: &Call, found: &mut Routes) -> Outcome {
    let number = |text: &str| Number::parse(text.as_bytes()).unwrap();
    let (called, at) = (number(&call.called), WallTime::from_micros(call.at));
    let ingress = view.ingress(IngressTrunkId(call.ingress)).unwrap();
    let sell = match quote(view, ingress.sell_deck(), &called.into(), at) {
        Ok(sell) => sell,
        Err(cause) => return Outcome { refusal: Some(cause.0), ..Outcome::default() },
    };
    let ask = Ask {
        node: NodeId(call.node),
        ingress: ingress.id(),
        plan: ingress.plan(),
        sell,
        originator: ingress.carrier(),
        calling: number(&call.calling),
        called,
        at,
        seed: call.seed,
        unreachable: call.unreachable,
        ..Ask::default()
    };
    let refusal = routes(view, policies, &ask, found).err().map(|cause| cause.0);
    let named = |one: &Candidate| (one.egress.0, one.plan.0);
    let rated = |one: &Candidate| (named(one).0, named(one).1, plain(&one.buy.unwrap(), &call.called));
    let other = |one: &Candidate| match one.verdict {
        Verdict::Dropped(Cause(cause)) => (named(one).0, named(one).1, cause),
        _ => (named(one).0, named(one).1, 0),
    };
    Outcome {
        sell: Some(plain(&sell, &call.called)),
        tried: found.kept().iter().map(rated).collect(),
        others: found.dropped().iter().map(other).collect(),
        refusal,
    }
}

fn plain(terms: &Terms, called: &str) -> Quoted {
    let digits = called.strip_prefix('+').unwrap_or(called);
    Quoted {
        deck: terms.deck.0,
        prefix: digits[..usize::from(terms.prefix_digits)].to_owned(),
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

/// How many of so many calls to one switch come out differently; the first is told.
fn differences(seed: u64, rates: usize, calls: u64, wrong: Wrong) -> (u64, String) {
    let model: Model = switch(seed, rates);
    let image = model.encode().unwrap_or_else(|flaw| panic!("switch {seed}: {flaw}"));
    let view = View::open(&image);
    let policies = Policies::compile(&view).unwrap();
    let oracle = Oracle::of(&model, wrong);
    let (mut dice, mut found, mut count, mut first) = (Dice(seed ^ 0xCA11), Routes::default(), 0, String::new());
    for _ in 0..calls {
        let call = call(&mut dice);
        let (ours, theirs) = (decided(&view, &policies, &call, &mut found), oracle.decide(&call));
        let prices = priced(&view, &call, &found, &theirs, wrong);
        if ours != theirs || prices.is_some() {
            count += 1;
            if count == 1 {
                first = format!("switch {seed}, {call:?}\nrating: {ours:?}\noracle: {theirs:?}\nprice:  {prices:?}");
            }
        }
    }
    (count, first)
}

/// The first price of the call that `rating` computes and the calculator does not.
fn priced(view: &View<'_>, call: &Call, found: &Routes, theirs: &Outcome, wrong: Wrong) -> Option<String> {
    let sell_deck = view.ingress(IngressTrunkId(call.ingress)).unwrap().sell_deck();
    let called = Number::parse(call.called.as_bytes()).unwrap();
    let sell = quote(view, sell_deck, &called.into(), WallTime::from_micros(call.at)).ok();
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
        let (count, first) = differences(seed, 150, 2_500, Wrong::Nothing);
        assert_eq!(count, 0, "{first}");
    }
}

#[test]
fn every_wrong_rule_is_caught() {
    for wrong in [
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
    ] {
        let caught = (1..=8).any(|seed| differences(seed, 150, 2_500, wrong).0 > 0);
        assert!(caught, "{wrong:?} makes no difference");
    }
}

/// `make oracle`: ten switches of twenty decks, a million calls.
#[test]
#[ignore = "a minute in release; run by `make oracle`"]
fn of_a_million_calls_none_differs() {
    let (mut calls, mut differing) = (0, 0);
    for seed in 101..=110 {
        let (count, first) = differences(seed, 2_000, 100_000, Wrong::Nothing);
        (calls, differing) = (calls + 100_000, differing + count);
        println!("switch {seed}: {DECKS} decks of 2000 rates, 100000 calls, {count} differences {first}");
    }
    println!("oracle: {calls} calls, {differing} differences");
    assert_eq!(differing, 0);
}
