//! What a balancer does with what it is told.

use crate::world::{Mood, PEER, World, core_at, key, request, response, tag};
use balance::pick;
use balance::{Refusal, Verdict};
use proptest::prelude::*;
use sip::behind::{self, Key};
use units::NodeId;

#[test]
fn calls_are_shared_by_weight_and_only_those_of_a_core_move_with_it() {
    let shares = |world: &World| -> Vec<u32> {
        (0..20_000).map(|call| world.balancer.cores().pick(pick::hash(1, &u64::to_be_bytes(call))).unwrap().0).collect()
    };
    let count = |shares: &[u32], core| shares.iter().filter(|share| **share == core).count();
    let mut world = World::of(&[1, 2, 3]);
    let three = shares(&world);
    assert!((0..3).all(|core| (6_300..7_050).contains(&count(&three, core))), "{:?}", count(&three, 0));
    world.balancer.cores_mut().add(core_at(4), 2).unwrap();
    world.moods.push((4, Mood::Well, 0));
    world.settle();
    let four = shares(&world);
    assert!((7_700..8_300).contains(&count(&four, 3)), "two of five: {}", count(&four, 3));
    assert!(three.iter().zip(&four).all(|(before, after)| before == after || *after == 3));
}

#[test]
fn two_balancers_choose_alike_whatever_order_they_know_their_cores_in() {
    let (mut one, mut other) = (World::of(&[1, 2, 3, 4]), World::of(&[3, 1, 4, 2]));
    assert!((0..500).all(|call| one.say(&request("INVITE", call, "")) == other.say(&request("INVITE", call, ""))));
    // One of them dies: the repeats, CANCELs and dialogs that the other one gets go where they went before.
    for call in 0..500 {
        let core = one.say(&request("INVITE", call, "")).unwrap();
        one.answer(core, &response(180, call, &tag(core, call)));
        assert_eq!(other.say(&request("CANCEL", call, "")), Some(core));
        assert_eq!(other.say(&request("BYE", call, &tag(core, call))), Some(core));
    }
}

#[test]
fn a_core_is_out_after_three_misses_and_back_after_five_answers() {
    let mut world = World::of(&[1]);
    world.set(1, Mood::Dead);
    world.wait(1_400);
    assert_eq!(world.say(&request("INVITE", 1, "")), Some(1));
    world.wait(600);
    assert_eq!(world.say(&request("INVITE", 2, "")), None);
    world.set(1, Mood::Well);
    world.wait(2_000);
    assert_eq!(world.say(&request("INVITE", 3, "")), None);
    world.wait(1_000);
    assert_eq!(world.say(&request("INVITE", 4, "")), Some(1));
}

#[test]
fn a_503_puts_a_core_out_at_once_and_for_as_long_as_it_says() {
    let mut world = World::of(&[1, 2]);
    world.set(1, Mood::Full);
    world.wait(500);
    assert!((0..50).all(|call| world.say(&request("INVITE", call, "")) == Some(2)));
    world.set(1, Mood::Well);
    world.wait(3_500);
    assert!((50..100).all(|call| world.say(&request("INVITE", call, "")) == Some(2)));
    world.wait(1_500);
    assert!((100..150).any(|call| world.say(&request("INVITE", call, "")) == Some(1)));
}

#[test]
fn without_a_core_an_invite_is_told_to_come_again() {
    let mut world = World::of(&[1]);
    world.set(1, Mood::Dead);
    world.settle();
    let mut out = Vec::new();
    let from = PEER.parse().unwrap();
    let verdict = world.balancer.on_peer(world.now, from, request("INVITE", 1, "").as_bytes(), &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(verdict, Verdict::Peer(from));
    assert!(text.starts_with("SIP/2.0 503 ") && text.contains("Retry-After: 2\r\n"), "{text}");
    assert_eq!(world.say(&request("BYE", 1, "x")), None);
}

#[test]
fn an_invite_moves_on_only_if_its_core_is_out_and_said_nothing() {
    for answered in [false, true] {
        let mut world = World::of(&[1, 2]);
        let first = world.say(&request("INVITE", 9, "")).unwrap();
        if answered {
            world.answer(first, &response(100, 9, ""));
        }
        // A core that is merely slow keeps it.
        assert_eq!(world.say(&request("INVITE", 9, "")), Some(first));
        world.set(first, Mood::Dead);
        world.settle();
        let other = 3 - first;
        assert_eq!(world.say(&request("INVITE", 9, "")), Some(if answered { first } else { other }));
        assert_eq!(world.balancer.counters().retried, u64::from(!answered));
    }
}

#[test]
fn a_core_that_drains_keeps_its_calls_and_gets_no_other() {
    let mut world = World::of(&[1, 2]);
    let call = (0..).find(|call| world.say(&request("INVITE", *call, "")) == Some(1)).unwrap();
    world.answer(1, &response(180, call, &tag(1, 5)));
    world.set_calls(1, 1);
    world.settle();
    let cores = world.balancer.cores_mut();
    cores.drain(core_at(1), true).unwrap();
    assert_eq!(cores.remove(core_at(1), false), Err(Refusal::Busy(1)));
    assert!((100..200).all(|call| world.say(&request("INVITE", call, "")) == Some(2)));
    assert_eq!(world.say(&request("CANCEL", call, "")), Some(1));
    assert_eq!(world.say(&request("BYE", call, &tag(1, 5))), Some(1));
    world.set_calls(1, 0);
    world.wait(1_000);
    world.balancer.cores_mut().remove(core_at(1), false).unwrap();
    assert_eq!(world.say(&request("BYE", call, &tag(1, 5))), Some(2), "somebody has to say 481");
}

#[test]
fn who_carries_too_much_is_passed_over() {
    let mut world = World::of(&[1, 2, 3]);
    [(1, 1_000), (2, 1_000), (3, 1_600)].into_iter().for_each(|(node, calls)| world.set_calls(node, calls));
    world.settle();
    assert!((0..200).all(|call| world.say(&request("INVITE", call, "")) != Some(3)));
    world.set_calls(3, 1_400);
    world.settle();
    assert!((200..400).any(|call| world.say(&request("INVITE", call, "")) == Some(3)));
}

#[test]
fn a_tag_is_believed_only_if_we_minted_it() {
    let ours = behind::tag(&key(), NodeId(513), 77);
    assert_eq!(behind::node_of(&key(), &ours), Some(NodeId(513)));
    assert_eq!(behind::node_of(&Key::of(b"another"), &ours), None);
    for place in 0..ours.len() {
        let mut forged = ours;
        forged[place] = if forged[place] == b'0' { b'1' } else { b'0' };
        assert_eq!(behind::node_of(&key(), &forged), None, "place {place}");
        assert_eq!(behind::node_of(&key(), &ours[..place]), None);
    }
}

#[test]
fn a_stranger_gets_nothing_out_of_the_inner_address() {
    let mut world = World::of(&[1]);
    let (mut wrapped, mut out) = (Vec::new(), Vec::new());
    let bye = request("BYE", 1, "x");
    behind::wrap(&key(), behind::Way::Outward, PEER.parse().unwrap(), bye.as_bytes(), &mut wrapped);
    let stranger = "10.0.0.99:5060".parse().unwrap();
    assert_eq!(world.balancer.on_core(world.now, stranger, &mut wrapped.clone(), &mut out), Verdict::Drop);
    // A core without the key is no core.
    let line = wrapped.windows(9).position(|part| part == b"X-Tandem-").unwrap();
    let proof = line + wrapped[line..].iter().position(|byte| *byte == b'\r').unwrap() - 1;
    wrapped[proof] = if wrapped[proof] == b'a' { b'b' } else { b'a' };
    assert_eq!(world.balancer.on_core(world.now, core_at(1), &mut wrapped, &mut out), Verdict::Drop);
    assert!(out.is_empty());
}

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    Invite(u64),
    Ring(u64),
    Cancel(u64),
    Bye(u64),
    Mood(u16, bool),
    Drain(u16, bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..12u64).prop_map(Step::Invite),
        2 => (0..12u64).prop_map(Step::Ring),
        1 => (0..12u64).prop_map(Step::Cancel),
        2 => (0..12u64).prop_map(Step::Bye),
        1 => ((1..4u16), any::<bool>()).prop_map(|(node, well)| Step::Mood(node, well)),
        1 => ((1..4u16), any::<bool>()).prop_map(|(node, on)| Step::Drain(node, on)),
        2 => (1..1_200u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_a_call_has_one_core(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::of(&[1, 2, 3]);
        // Where each INVITE was heard by a core that lived, and when.
        let mut heard: [Option<u16>; 12] = [None; 12];
        for step in steps {
            match step {
                Step::Invite(call) => if let Some(node) = world.say(&request("INVITE", call, "")) {
                    if let Some(before) = heard[call as usize] {
                        prop_assert_eq!(before, node);
                    }
                    let lives = world.moods[usize::from(node) - 1].1 == Mood::Well;
                    if lives {
                        heard[call as usize] = Some(node);
                        world.answer(node, &response(100, call, ""));
                    }
                },
                Step::Ring(call) => if let Some(node) = heard[call as usize] {
                    world.answer(node, &response(180, call, &tag(node, call)));
                },
                Step::Cancel(call) => if let Some(node) = heard[call as usize] {
                    prop_assert_eq!(world.say(&request("CANCEL", call, "")), Some(node));
                },
                Step::Bye(call) => if let Some(node) = heard[call as usize] {
                    prop_assert_eq!(world.say(&request("BYE", call, &tag(node, call))), Some(node));
                },
                Step::Mood(node, well) => world.set(node, if well { Mood::Well } else { Mood::Dead }),
                Step::Drain(node, on) => world.balancer.cores_mut().drain(core_at(node), on).unwrap(),
                Step::Wait(ms) => world.wait(ms),
            }
        }
    }

    #[test]
    fn no_bytes_break_it(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..200usize) {
        let mut world = World::of(&[1]);
        let from = PEER.parse().unwrap();
        let whole = request("INVITE", 1, "x");
        let mixed = [&whole.as_bytes()[..cut.min(whole.len())], &bytes].concat();
        for message in [&bytes, &mixed] {
            world.balancer.on_peer(world.now, from, message, &mut Vec::new());
            world.balancer.on_core(world.now, core_at(1), &mut message.clone(), &mut Vec::new());
        }
    }
}
