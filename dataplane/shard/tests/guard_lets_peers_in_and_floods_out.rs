//! The guard's parts: buckets, load, pairs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use shard::guard::{Guard, Load, Looping, Settings, Silence, fingerprint};
use units::{Instant, Number};

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1_000)
}

fn guard(settings: Settings) -> Guard {
    Guard::new(&settings, 0x5EED)
}

/// How many of a thousand datagrams of one source within a second are heard.
fn heard(guard: &mut Guard, from: IpAddr, known: bool, start_ms: u64) -> usize {
    (0..1_000).filter(|ms| guard.ask(at(start_ms + ms), from, known).is_ok()).count()
}

fn number(text: &str) -> Number {
    Number::parse(text.as_bytes()).expect("a number")
}

#[test]
fn a_stranger_is_heard_a_little_and_a_peer_a_lot() {
    let mut guard = guard(Settings::default());
    assert_eq!(heard(&mut guard, STRANGER, false, 0), 20 + 9, "the burst, and what a second brings");
    assert_eq!(heard(&mut guard, STRANGER, false, 1_000), 10);
    assert_eq!(heard(&mut guard, PEER, true, 0), 1_000);
}

#[test]
fn one_stranger_does_not_silence_another() {
    let mut guard = guard(Settings::default());
    for ms in 0..10_000 {
        let _ = guard.ask(at(ms), STRANGER, false);
    }
    let other = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
    assert_eq!(guard.ask(at(10_000), other, false), Ok(()));
}

#[test]
fn all_strangers_together_have_a_limit_and_peers_do_not_feel_it() {
    let mut guard = guard(Settings { strangers_per_s: 100, ..Settings::default() });
    let passed = (0..50_000).filter(|n| guard.ask(at(0), IpAddr::V4(Ipv4Addr::from(*n)), false).is_ok()).count();
    assert_eq!(passed, 100);
    assert_eq!(guard.ask(at(0), PEER, true), Ok(()));
}

#[test]
fn a_whole_ipv6_network_is_one_source() {
    let mut guard = guard(Settings::default());
    let host = |network: u16, host: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host));
    let passed = (0..200).filter(|n| guard.ask(at(0), host(1, *n), false).is_ok()).count();
    assert_eq!(passed, 20);
    assert_eq!(guard.ask(at(0), host(2, 1), false), Ok(()));
    let mapped = IpAddr::V6(Ipv4Addr::new(203, 0, 113, 9).to_ipv6_mapped());
    assert_eq!(heard(&mut guard, STRANGER, false, 0), 29);
    assert_eq!(guard.ask(at(1_000), mapped, false), Ok(()));
    assert_eq!(heard(&mut guard, mapped, false, 1_000), 9, "the same host by its other name");
}

#[test]
fn a_busy_shard_silences_strangers_first_then_refuses_calls_and_forgets_both_in_time() {
    let mut guard = guard(Settings::default());
    let steps = [
        (0, 499, Load::Calm),
        (1, 500, Load::Busy),
        (2, 999, Load::Busy),
        (3, 1_000, Load::Over),
        (4, 501, Load::Over),
        (5, 1_000, Load::Over),
        (6, 500, Load::Busy),
        (7, 251, Load::Busy),
        (8, 250, Load::Calm),
        (9, 5_000, Load::Over),
        (10, 0, Load::Calm),
        (11, 1_000, Load::Over),
    ];
    for (ms, permille, expected) in steps {
        guard.on_load(at(ms), permille);
        assert_eq!(guard.load(at(ms)), expected, "at {ms} ms");
    }
    assert_eq!(guard.ask(at(12), STRANGER, false), Err(Silence::Busy));
    assert_eq!(guard.ask(at(12), PEER, true), Ok(()), "what a peer says may belong to a call");
    assert_eq!(guard.load(at(511)), Load::Calm, "who sleeps is not behind");
    guard.on_load(at(600), 700);
    assert_eq!(guard.load(at(600)), Load::Busy, "what was measured before a sleep does not count");
}

#[test]
fn the_same_pair_is_a_loop_from_the_251st_call_that_waits_on_and_answered_ones_do_not_count() {
    let mut guard = guard(Settings::default());
    let (ana, bo, other) = (number("37060011111"), number("442071234567"), number("442071234568"));
    for us in 0..1_000 {
        let seat = guard.enter_pair(Instant::from_micros(us * 900), &ana, &bo).expect("the ones before were answered");
        guard.leave_pair(seat.expect("a pair of numbers is counted"));
    }
    let seats: Vec<_> = (0..250).map(|_| guard.enter_pair(at(950), &ana, &bo).expect("no loop yet")).collect();
    assert_eq!(guard.enter_pair(at(951), &ana, &bo), Err(Looping));
    assert!(guard.enter_pair(at(952), &ana, &other).is_ok(), "another pair");
    assert!(guard.enter_pair(at(953), &bo, &ana).is_ok(), "nor the other way");
    guard.leave_pair(seats[0].expect("it is counted"));
    assert!(guard.enter_pair(at(954), &ana, &bo).is_ok(), "one of them was answered");
    assert_eq!(guard.enter_pair(at(955), &ana, &bo), Err(Looping), "and one alone");
    for many in ["", "anonymous", "555", "sip.line-1"] {
        let mut calls = (0..1_000).map(|_| guard.enter_pair(at(956), &number(many), &bo));
        assert!(calls.all(|call| call == Ok(None)), "{many} stands for many people");
    }
    assert!(guard.enter_pair(at(1_950), &ana, &bo).is_ok(), "the next second");
    seats.iter().flatten().for_each(|seat| guard.leave_pair(*seat));
    assert!((0..249).all(|_| guard.enter_pair(at(1_951), &ana, &bo).is_ok()));
    assert_eq!(guard.enter_pair(at(1_952), &ana, &bo), Err(Looping), "answers of an earlier second give nothing back");
    let mut off = Guard::new(&Settings { pair_waiting_max: 0, ..Settings::default() }, 1);
    assert!((0..1_000).all(|_| off.enter_pair(at(0), &ana, &bo) == Ok(None)));
}

#[test]
fn a_loop_is_found_among_any_number_of_other_calls_and_nobody_else_is_refused() {
    let mut guard = guard(Settings { pair_waiting_max: 10, ..Settings::default() });
    let (ana, bo) = (number("37060011111"), number("2"));
    let mut found = 0;
    for n in 0..200_000_u64 {
        let caller = number(&format!("44{n:09}"));
        assert!(guard.enter_pair(Instant::from_micros(n * 100), &caller, &bo).is_ok());
        if n % 50 == 0 {
            found += u32::from(guard.enter_pair(Instant::from_micros(n * 100), &ana, &bo).is_err());
        }
    }
    assert!(found > 2_000, "200 a second for 20 s, and {found} were found");
}

#[test]
fn what_broke_a_shard_is_not_read_again() {
    let guard = guard(Settings { blocked: vec![fingerprint(b"poison")], ..Settings::default() });
    assert!(guard.is_blocked(b"poison") && !guard.is_blocked(b"poison "));
    assert_eq!(fingerprint(b"poison"), fingerprint(b"poison"));
    assert_ne!(fingerprint(b""), fingerprint(&[0]));
}

#[test]
fn memory_is_taken_once() {
    let mut guard = guard(Settings::default());
    let before = guard.table_bytes();
    assert!(before < 1 << 20, "{before} bytes a shard");
    for n in 0..100_000 {
        let _ = guard.ask(at(0), IpAddr::V4(Ipv4Addr::from(n)), n % 2 == 0);
        let _ = guard.enter_pair(at(0), &number(&format!("44{n:09}")), &number("1"));
    }
    assert_eq!(guard.table_bytes(), before);
}
