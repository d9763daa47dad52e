//! Of a call that is over a shard keeps little, and whoever repeats himself notices nothing: each repeat has the answer of before, what is new
//! has its refusal, the captured messages are complete, and after half a minute nothing is left.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

mod world;

use std::sync::Arc;

use shard::Loaded;
use world::{ORIGINATOR, SDP, STRANGER, TERMINATOR, World, find, header, invite, reply, request};

/// A shard that captures every call.
fn traced() -> World {
    let mut model = world::network::world();
    model.decks[0].rates = vec![world::network::rate("", "1")];
    let way_in = world::network::way_in(&mut model, 1, &["192.0.2.60/32"], "");
    (way_in.cps, way_in.capacity) = (0, 0);
    world::network::way_out(&mut model, 2, "0.5");
    world::network::deck_of(&mut model, 2).rates = vec![world::network::rate("", "0.5")];
    World::traced(Loaded::new(Arc::new(world::network::image(&model))).unwrap())
}

/// What was said of a call that ran to its end.
struct Said {
    invite: String,
    passed: String,
    answer_of_terminator: String,
    ack: String,
    answer: String,
    bye: String,
    answer_to_bye: String,
    answer_of_bye: String,
}

fn call(world: &mut World, name: &str) -> Said {
    let said = hang_up(world, name);
    world.hear(TERMINATOR, said.answer_of_bye.as_bytes());
    assert_eq!((world.shard.running(), world.shard.calls_held()), (0, 1), "{name} is over, and known");
    said
}

/// The same, but that the terminator has not answered the BYE.
fn hang_up(world: &mut World, name: &str) -> Said {
    let invite = invite(name);
    let heard = world.hear(ORIGINATOR, invite.as_bytes());
    let passed = find(&heard, TERMINATOR, "INVITE ").expect("the call is passed on");
    let answer_of_terminator = reply(&passed, "200 OK", "ours", SDP);
    let answered = world.hear(TERMINATOR, answer_of_terminator.as_bytes());
    let answer = find(&answered, ORIGINATOR, "SIP/2.0 200").expect("it is answered");
    let ack = find(&answered, TERMINATOR, "ACK ").expect("the terminator's answer is acknowledged");
    world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
    world.pass(1_000);
    let bye = request(&answer, "BYE", 2);
    let released = world.hear(ORIGINATOR, bye.as_bytes());
    let answer_to_bye = find(&released, ORIGINATOR, "SIP/2.0 200").expect("the BYE is answered");
    let our_bye = find(&released, TERMINATOR, "BYE ").expect("the terminator hears of it");
    let answer_of_bye = reply(&our_bye, "200 OK", "", "");
    Said { invite, passed, answer_of_terminator, ack, answer, bye, answer_to_bye, answer_of_bye }
}

fn texts(sent: Vec<world::Sent>) -> Vec<String> {
    sent.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn repeats_have_the_answer_of_before_and_what_is_new_has_its_refusal() {
    let mut world = World::default();
    let said = call(&mut world, "again");
    for _ in 0..3 {
        assert_eq!(texts(world.hear(ORIGINATOR, said.bye.as_bytes())), [said.answer_to_bye.as_str()], "the BYE again");
        assert_eq!(
            texts(world.hear(TERMINATOR, said.answer_of_terminator.as_bytes())),
            [said.ack.as_str()],
            "the answer again"
        );
        assert_eq!(world.hear(ORIGINATOR, request(&said.answer, "ACK", 1).as_bytes()), [], "the ACK again");
        assert_eq!(world.hear(ORIGINATOR, said.invite.as_bytes()), [], "the INVITE again");
        assert_eq!(world.hear(TERMINATOR, said.answer_of_bye.as_bytes()), [], "the answer to the BYE again");
        world.pass(1_000);
    }
    let statuses = [("BYE", 9, "481"), ("UPDATE", 10, "481"), ("OPTIONS", 11, "200"), ("INFO", 1, "500")];
    for (method, number, status) in statuses {
        let heard = texts(world.hear(ORIGINATOR, request(&said.answer, method, number).as_bytes()));
        assert!(heard.len() == 1 && heard[0].starts_with(&format!("SIP/2.0 {status} ")), "{method}: {heard:#?}");
    }
    let foreign = said.bye.replace("tag=tagain", "tag=other").replace("branch=z9hG4bK", "branch=z9hG4bKother");
    assert!(texts(world.hear(ORIGINATOR, foreign.as_bytes()))[0].starts_with("SIP/2.0 481 "), "another's tag");
    assert_eq!(world.hear(STRANGER, said.bye.as_bytes()), [], "a stranger speaks in nobody's dialog");
    let records = world.cdrs.iter().filter(|cdr| cdr.attempt.0 == 0).count();
    assert_eq!((records, world.shard.calls_held()), (1, 1));
    world.nothing_is_left("again");
}

#[test]
fn another_branch_of_a_fork_is_acknowledged_and_released_after_the_end() {
    let mut world = World::default();
    let said = call(&mut world, "forked");
    let late = reply(&said.passed, "200 OK", "another", SDP);
    let heard = world.hear(TERMINATOR, late.as_bytes());
    for method in ["ACK ", "BYE "] {
        let sent = find(&heard, TERMINATOR, method).unwrap_or_else(|| panic!("{method}goes to it: {heard:#?}"));
        assert!(header(&sent, "To").unwrap().ends_with(";tag=another"), "{sent}");
        assert_eq!(header(&sent, "Call-ID"), header(&said.passed, "Call-ID"));
    }
    // Its BYE is repeated until it is answered.
    let again = world.pass(600);
    let bye = find(&again, TERMINATOR, "BYE ").expect("it goes again");
    world.hear(TERMINATOR, reply(&bye, "200 OK", "", "").as_bytes());
    assert_eq!(world.pass(5_000), []);
    world.nothing_is_left("forked");
}

#[test]
fn a_refusal_that_comes_again_is_acknowledged_again() {
    let mut world = World::default();
    let heard = world.hear(ORIGINATOR, invite("refused").as_bytes());
    let passed = find(&heard, TERMINATOR, "INVITE ").expect("the call is passed on");
    let progress = reply(&passed, "180 Ringing", "ours", "")
        .replace("Content-Length", "Contact: <sip:192.0.2.9>\r\nContent-Length");
    world.hear(TERMINATOR, progress.as_bytes());
    let refusal = reply(&passed, "486 Busy Here", "ours", "");
    let refused = world.hear(TERMINATOR, refusal.as_bytes());
    let ack = find(&refused, TERMINATOR, "ACK ").expect("the refusal is acknowledged");
    let answer = find(&refused, ORIGINATOR, "SIP/2.0 486").expect("the refusal is passed on");
    world.hear(ORIGINATOR, request(&answer, "ACK", 1).as_bytes());
    for _ in 0..3 {
        assert_eq!(texts(world.hear(TERMINATOR, refusal.as_bytes())), [ack.as_str()]);
        assert_eq!(
            texts(world.hear("192.0.2.9:5060", refusal.as_bytes())),
            [ack.as_str()],
            "from where it said that it is"
        );
        world.pass(1_000);
    }
    assert_eq!((world.shard.running(), world.shard.calls_held()), (0, 1));
    world.nothing_is_left("refused");
}

/// The beginnings of the messages that were captured of the only call.
fn captured(world: &World) -> Vec<String> {
    assert_eq!(world.traces.len(), 1, "they are handed over once");
    let trace = cdr::trace::decode(&world.traces[0]).unwrap();
    trace.messages.iter().map(|message| String::from_utf8_lossy(&message.bytes[..8]).into_owned()).collect()
}

#[test]
fn messages_that_come_after_the_end_are_captured_in_their_order() {
    let mut world = traced();
    let said = hang_up(&mut world, "traced");
    world.pass(200);
    world.hear(ORIGINATOR, said.bye.as_bytes());
    assert_eq!(world.traces.len(), 0, "the answer that is missing is waited for");
    world.hear(TERMINATOR, said.answer_of_bye.as_bytes());
    world.pass(100);
    let starts = captured(&world);
    assert_eq!(starts.iter().filter(|start| start.starts_with("BYE ")).count(), 3, "{starts:?}");
    assert_eq!(starts[starts.len() - 3..], ["BYE sip:", "SIP/2.0 ", "SIP/2.0 "], "{starts:?}");
    world.hear(ORIGINATOR, said.bye.as_bytes());
    world.nothing_is_left("traced");
    assert_eq!(captured(&world), starts, "what comes after all was answered is not");
}

#[test]
fn messages_are_handed_over_though_the_last_answer_never_comes() {
    let mut world = traced();
    hang_up(&mut world, "silent");
    world.pass(1_000);
    assert_eq!(world.traces.len(), 0, "it is waited for");
    world.pass(1_000);
    let starts = captured(&world);
    assert_eq!(
        starts.iter().filter(|start| start.starts_with("BYE ")).count(),
        3,
        "sent again after half a second: {starts:?}"
    );
    world.nothing_is_left("silent");
}
