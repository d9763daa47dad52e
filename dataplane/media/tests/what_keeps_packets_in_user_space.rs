//! Why a call's packets are not left to the kernel.

use media::{Carries, Relay, Stay};
use units::Instant;

#[test]
fn a_reason_of_either_stream_holds_for_both() {
    let mut relay = Relay::new(20_000, 20_099, 7);
    let [one, other] = [(); 2].map(|()| relay.open(Instant::default()).expect("a free pair").id);
    relay.join(one, other);
    assert!(relay.stays(one).is_empty());
    relay.stay(one, Stay::Record, true);
    relay.stay(other, Stay::Crypt, true);
    relay.stay(other, Stay::Crypt, true);
    let words = |id| relay.stays(id).each().map(Stay::name).collect::<Vec<_>>();
    assert_eq!((words(one), words(other)), (vec!["crypt", "record"], vec!["crypt", "record"]));
    relay.stay(other, Stay::Crypt, false);
    assert_eq!(relay.stays(one).each().collect::<Vec<_>>(), [Stay::Record]);
    relay.stay(one, Stay::Record, false);
    assert!(relay.stays(other).is_empty());
}

#[test]
fn peers_of_two_families_are_a_reason() {
    let mut relay = Relay::new(20_000, 20_099, 7);
    let [one, other] = [(); 2].map(|()| relay.open(Instant::default()).expect("a free pair").id);
    relay.join(one, other);
    let expect = |relay: &mut Relay, id, rtp: &str| {
        let rtp = rtp.parse().expect("an address");
        relay.expect(id, rtp, rtp);
    };
    expect(&mut relay, one, "[2001:db8::2]:4000");
    assert!(relay.stays(other).is_empty(), "the other one is not known");
    expect(&mut relay, other, "192.0.2.3:6000");
    assert_eq!(relay.stays(one).each().map(Stay::name).collect::<Vec<_>>(), ["families"]);
    expect(&mut relay, other, "[2001:db8::3]:6000");
    assert!(relay.stays(one).is_empty());
}

#[test]
fn images_are_a_reason_while_they_last() {
    let mut relay = Relay::new(20_000, 20_099, 7);
    let [one, other] = [(); 2].map(|()| relay.open(Instant::default()).expect("a free pair").id);
    relay.carry(one, Carries::Datagrams);
    assert_eq!(relay.stays(one).each().map(Stay::name).collect::<Vec<_>>(), ["images"], "though nothing is joined");
    relay.join(one, other);
    assert_eq!(relay.stays(other).each().collect::<Vec<_>>(), [Stay::Images]);
    relay.carry(one, Carries::Rtp);
    assert!(relay.stays(one).is_empty() && relay.stays(other).is_empty());
}

#[test]
fn digits_that_are_converted_are_a_reason() {
    let mut relay = Relay::new(20_000, 20_099, 7);
    let id = relay.open(Instant::default()).expect("a free pair").id;
    relay.keep_events(id, Some((101, 8_000)));
    relay.say_events(id, Some((101, 8_000)));
    relay.keep_events(id, None);
    assert_eq!(relay.stays(id).each().collect::<Vec<_>>(), [Stay::Digits]);
    relay.say_events(id, None);
    assert!(relay.stays(id).is_empty());
}
