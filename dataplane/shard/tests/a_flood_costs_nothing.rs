//! A hundred thousand sources shout; nobody hears more than a whisper back, and the originator's calls all pass.

mod world;

use std::net::{Ipv4Addr, SocketAddr};

use world::{STRANGER, World, find, invite, status};

const SOURCES: u32 = 100_000;
/// Datagrams between two calls of the originator's.
const STRIDE: u32 = 20_000;

/// A request of this method with `NUMBER` where each source puts its own.
fn template(method: &str) -> String {
    let text = invite("NUMBER").replace("sip:442071838750@127", "sip:NUMBER@127");
    text.replace("INVITE sip", &format!("{method} sip")).replace("1 INVITE", &format!("1 {method}"))
}

#[test]
fn memory_is_flat_answers_are_few_and_the_originator_does_not_notice() {
    let mut world = World::default();
    let began_us = world.now_us;
    let tables = world.shard.guard().table_bytes();
    let (mut heard, mut said, mut packets) = (0, 0, 0);
    for (round, method) in ["INVITE", "REGISTER", "OPTIONS"].into_iter().enumerate() {
        let template = template(method);
        for number in 0..SOURCES {
            let from = SocketAddr::from((Ipv4Addr::from(0x6440_0000 + number), 5_060)).to_string();
            let datagram = template.replace("NUMBER", &number.to_string());
            let sent = world.hear(&from, datagram.as_bytes());
            assert!(sent.len() <= 1 && sent.iter().all(|(_, text)| status(text) == Some(403)), "{sent:?}");
            heard += datagram.len();
            said += sent.iter().map(|(_, text)| text.len()).sum::<usize>();
            packets += sent.len();
            world.now_us += 10;
            if number % STRIDE == 0 {
                world.good_call(&format!("good{round}x{number}"));
            }
        }
    }
    assert_eq!(world.shard.guard().table_bytes(), tables, "no table grew");
    assert!(said * 10 <= heard * 12, "{said} bytes for {heard}");
    let silenced = world.counter("sip_silenced");
    assert_eq!(silenced + packets as u64, u64::from(SOURCES) * 3, "each got one packet or silence");
    let seconds = (world.now_us - began_us).div_ceil(1_000_000);
    assert!(packets as u64 <= 2_000 * (seconds + 1), "{packets} answers in {seconds} s: the rest is dropped unread");
    world.nothing_is_left("the flood");
    let sent = world.hear(STRANGER, invite("later").as_bytes());
    assert!(find(&sent, STRANGER, "SIP/2.0 403").is_some(), "afterwards a stranger is answered again");
}

#[test]
fn one_source_that_sends_without_end_is_silenced_and_heard_again_when_it_stops() {
    let mut world = World::default();
    let answered = |world: &mut World| !world.hear(STRANGER, invite("x").as_bytes()).is_empty();
    let mut answers = 0;
    for _ in 0..10_000 {
        answers += u32::from(answered(&mut world));
        world.now_us += 100;
    }
    assert_eq!(answers, 29, "a burst of 20 and 10 a second");
    world.now_us += 200_000;
    assert!(answered(&mut world));
}

#[test]
fn a_flood_of_malformed_and_stray_messages_is_answered_with_nothing() {
    let mut world = World::default();
    for number in 0..50_000_u32 {
        let from = SocketAddr::from((Ipv4Addr::from(0x6440_0000 + number), 5_060)).to_string();
        let junk = match number % 4 {
            0 => "SIP/2.0 200 OK\r\n\r\n".to_string(),
            1 => invite("x").replace("INVITE", "ACK"),
            2 => invite("x").replace("CSeq: 1", "CSeq: -1"),
            _ => "\r\n\r\n\r\n".to_string(),
        };
        assert_eq!(world.hear(&from, junk.as_bytes()), []);
    }
    world.good_call("after");
}
