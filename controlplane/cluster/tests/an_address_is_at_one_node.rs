//! Three nodes share an address. Nodes die and stand still, services fail, the arbiter is cut off: no two nodes have the address up, a
//! service that fails loses it, and when all is whole it is home.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

#[path = "support/arbiter.rs"]
mod arbiter;
#[path = "support/chance.rs"]
mod chance;
#[path = "support/places.rs"]
mod places;

use std::env;

use cluster::{AddressKeeper, AddressSettings, Book, Outcome, Write};
use units::{Instant, NodeId};

fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// `CLUSTER_FIRST` and `CLUSTER_SEEDS` choose others.
#[test]
fn no_two_nodes_have_the_address_up() {
    let first = number("CLUSTER_FIRST", 1);
    for seed in first..first + number("CLUSTER_SEEDS", 1_000) {
        if let Err(why) = places::play(seed, &mut |_, _| {}) {
            places::play(seed, &mut |at, what| println!("{at:>7} {what}")).unwrap_err();
            panic!(
                "seed {seed}: {why}\nrerun: CLUSTER_FIRST={seed} CLUSTER_SEEDS=1 cargo test -p cluster --test an_address_is_at_one_node"
            );
        }
    }
}

/// The dead are told of for a while: with a short take-over the address is free before that ends.
#[test]
fn who_took_the_address_from_a_dead_node_keeps_it() {
    let (home, other) = (NodeId(1), NodeId(2));
    let settings = AddressSettings { takeover_ms: 3_000, hold_down_ms: 2_000, ..AddressSettings::new(other, 1) };
    let (mut keeper, at) = (AddressKeeper::new(settings), |ms: u64| Instant::from_micros(ms * 1_000));
    let held = Book { version: 5, epoch: 1, holder: Some(home), held: true, ..Book::default() };
    keeper.on_book(held);
    assert_eq!(keeper.turn(at(0), true, false, Some((home, 1))).ask, None, "home holds it");
    keeper.on_book(held.lapsed());
    let free = keeper.turn(at(5_000), true, false, Some((home, 1)));
    assert_eq!(free.ask, None, "home might come back at once");
    let seized = keeper.turn(at(6_000), true, false, Some((home, 1))).ask.unwrap();
    keeper.on_answer(at(6_010), Outcome::Written(held.lapsed().write(seized).unwrap()));
    // What home wrote last may be told until 14,000, longer than the hold-down; a word that goes on later is one of the living.
    let mut version = 6;
    for ms in (6_100..14_000).step_by(100) {
        let turn = keeper.turn(at(ms), true, true, Some((home, 1)));
        assert!(turn.up.is_some(), "home is not known to work again at {ms}");
        if let Some(ask) = turn.ask {
            assert_eq!(ask.write, Write::Renew);
            version += 1;
            keeper.on_answer(at(ms), Outcome::Written(Book { version, ..held.lapsed().write(seized).unwrap() }));
        }
    }
    assert_eq!(keeper.turn(at(14_100), true, true, Some((home, 1))).up, None, "it goes home after the hold-down");
}

/// What is told of a node that was away in between is no old word.
#[test]
fn an_address_goes_home_after_the_hold_down_when_home_was_away() {
    let (home, other) = (NodeId(1), NodeId(2));
    let settings = AddressSettings { takeover_ms: 3_000, hold_down_ms: 500, ..AddressSettings::new(other, 1) };
    let (mut keeper, at) = (AddressKeeper::new(settings), |ms: u64| Instant::from_micros(ms * 1_000));
    let seized = keeper.turn(at(1_000), true, false, None).ask.unwrap();
    keeper.on_answer(at(1_010), Outcome::Written(Book::default().write(seized).unwrap()));
    assert!(keeper.turn(at(1_100), true, true, Some((home, 2))).up.is_some(), "home was just seen for the first time");
    assert!(keeper.turn(at(1_500), true, true, Some((home, 2))).up.is_some(), "and works for 400 ms");
    assert_eq!(keeper.turn(at(1_600), true, true, Some((home, 2))).up, None, "the hold-down is over");
}
