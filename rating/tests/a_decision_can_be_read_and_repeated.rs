//! Decision records: one kilobyte at most, readable without the snapshot, repeatable with it.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use proptest::prelude::*;
use rating::decision::{DECISION_BYTES_MAX, Decision, decode, encode};
use rating::{Policies, Routes, routes};
use snapshot::{Model, View};
use units::{Money, Revision};
use world::{ask, deck_of, image, trunk, way_out, world};

fn decided(model: &Model, seed: u64) -> (Routes, Vec<u8>) {
    let image = image(model);
    let (mut out, mut bytes) = (Routes::default(), vec![1, 2, 3]);
    let _ = routes(&View::open(&image), &Policies::default(), &ask(seed), &mut out);
    encode(Revision(u64::MAX), &ask(seed), &out, &mut bytes);
    (out, bytes)
}

fn mixed(count: u32) -> Model {
    let mut model = world();
    for id in 2..2 + count {
        way_out(&mut model, id, &format!("0.{id:02}7"));
    }
    trunk(&mut model, 2).active = false;
    deck_of(&mut model, 3).rates[0].per_minute = Money::parse("1.5").unwrap();
    model
}

#[test]
fn everything_comes_back() {
    let model = mixed(6);
    let (routes, bytes) = decided(&model, u64::MAX);
    let expected =
        Decision { revision: Revision(u64::MAX), ask: ask(u64::MAX), candidates: routes.all().to_vec(), omitted: 0 };
    assert_eq!(decode(&bytes), Some(expected));
    assert!(bytes.len() < 300, "{} bytes for six candidates", bytes.len());
}

#[test]
fn the_inputs_of_a_record_give_the_same_routes_again() {
    let model = mixed(30);
    let (_, bytes) = decided(&model, 0xDEAD_BEEF);
    let read = decode(&bytes).unwrap();
    let image = image(&model);
    let (mut again, mut written) = (Routes::default(), Vec::new());
    routes(&View::open(&image), &Policies::default(), &read.ask, &mut again).unwrap();
    encode(read.revision, &read.ask, &again, &mut written);
    assert_eq!(written, bytes);
}

#[test]
fn the_largest_plan_fits_into_a_kilobyte_with_all_kept_routes() {
    let mut model = mixed(64);
    for deck in &mut model.decks {
        deck.rates[0].per_minute += Money::from_nanos(123_456_789);
        deck.rates[0].connection_fee = Money::from_nanos(987_654_321);
        (deck.rates[0].minimum_s, deck.rates[0].increment_s, deck.rates[0].free_s) = (60_000, 60_000, 60_000);
    }
    let (routes, bytes) = decided(&model, 1);
    assert!(bytes.len() <= DECISION_BYTES_MAX);
    let read = decode(&bytes).unwrap();
    assert_eq!(read.candidates.len() + usize::from(read.omitted), 64);
    assert!(read.candidates.len() >= routes.kept().len());
    assert_eq!(read.candidates, routes.all()[..read.candidates.len()]);
}

#[test]
fn a_call_without_a_route_has_a_record_too() {
    let (routes, bytes) = decided(&world(), 5);
    assert_eq!(routes.all().len(), 0);
    assert_eq!(decode(&bytes).unwrap().candidates, []);
}

#[test]
fn a_cut_record_is_refused_or_shorter() {
    let (_, bytes) = decided(&mixed(6), 1);
    for length in 0..bytes.len() {
        if let Some(read) = decode(&bytes[..length]) {
            assert!(read.candidates.len() < 6);
        }
    }
    assert_eq!(decode(&[]), None);
    assert_eq!(decode(&vec![1; 2_000]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_reading_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let _ = decode(&[&[7, 0], bytes.as_slice()].concat());
    }

    #[test]
    fn no_change_makes_reading_panic(place in any::<proptest::sample::Index>(), value in any::<u8>()) {
        let (_, mut bytes) = decided(&mixed(6), 1);
        let place = place.index(bytes.len());
        bytes[place] = value;
        let _ = decode(&bytes);
    }
}
