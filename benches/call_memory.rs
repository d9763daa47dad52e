//! What a call costs in memory, held and over: calls that were answered and acknowledged, whose peers speak and end them, in one shard without
//! sockets.
//!
//! `cargo bench -p benches --bench call_memory`
//!
//! Counted are the bytes that the shard has allocated and not given back: at the moment of the answer, once the transactions of the
//! set-up are over, after RTP and RTCP went both ways, and a while after the end, when only what peers may repeat is known; less what the empty shard has. The table of media ports is there before the
//! first call; of it each call is charged with its two pairs. Both without captured messages and with them, as a switch has them unless
//! it is told otherwise. The kernel's memory is not counted.

#[allow(dead_code, reason = "another bench uses the rest")]
mod caller;
mod live_bytes;

use std::net::SocketAddr;
use std::sync::Arc;

use benches::{Finding, Limit};
use caller::World;
use media::srtp::SEAL_BYTES_MAX;
use shard::Loaded;
use sim::prices;

/// Bytes of a held call at most, once its set-up is over.
const BYTES_MAX: usize = 8 << 10;
/// The same with its media.
const MEDIA_BYTES_MAX: usize = 16 << 10;
/// The same when it is over, within the half minute in which its peers may repeat what they said.
const OVER_BYTES_MAX: usize = 1_536;
/// How many calls are held, and of how many in a hundred the messages are captured.
const ROWS: [(usize, u8); 4] = [(1_000, 0), (10_000, 0), (1_000, 100), (10_000, 100)];
/// Longer than the transactions of a set-up: 64·T1 and a little.
const SETTLED_US: u64 = 40_000_000;
/// Longer than captured messages are kept after the end, shorter than any transaction.
const OVER_US: u64 = 3_000_000;
/// Room for the To of an answer.
const ANSWER_BYTES_MAX: usize = 128;
/// RTP packets from each peer.
const PACKETS: u16 = 10;

/// Bytes a call.
struct Bytes {
    /// Just answered.
    answered: usize,
    /// Its set-up is over.
    settled: usize,
    /// Its peers speak.
    media: usize,
    /// It is over.
    over: usize,
}

fn measure(held: usize, trace_percent: u8) -> Bytes {
    let image = caller::model(1).encode().expect("a sound model");
    let mut world = World::new(Loaded::new(Arc::new(image)).expect("sound policies"), trace_percent);
    world.pass(1_000_000);
    // What the bench itself remembers is not a call's.
    let mut sides: Vec<(u16, SocketAddr)> = Vec::with_capacity(2 * held);
    let (mut answers, mut ends) = (String::with_capacity(held * ANSWER_BYTES_MAX), Vec::with_capacity(held));
    let empty = live_bytes::live();
    let each = |live: usize| live.saturating_sub(empty) / held;
    for index in 0..held {
        let sent = world.hear(prices::originator_address(0), &World::invite(index));
        let answered = world.answer(index, &sent);
        sides.extend(answered.media);
        answers.push_str(&answered.to);
        ends.push(answers.len());
        world.now += 1_000;
    }
    world.sent = Vec::new();
    assert_eq!(world.shard.figures().answered as usize, held, "every call is answered");
    let answered = each(live_bytes::live());
    world.pass(SETTLED_US);
    assert_eq!(world.shard.figures().answered as usize, held, "every call is held");
    world.sent = Vec::new();
    let settled = each(live_bytes::live());
    speak(&mut world, &sides);
    let media = each(live_bytes::live()) + 2 * media::PAIR_BYTES;
    let mut begin = 0;
    for (index, end) in ends.iter().enumerate() {
        world.bye(index, &answers[begin..*end]);
        begin = *end;
    }
    assert!(answers.len() <= held * ANSWER_BYTES_MAX, "the bench's own memory did not grow");
    world.pass(OVER_US);
    let held_still = world.shard.calls_held() as usize;
    assert_eq!((world.shard.running(), held_still), (0, held), "every call is over, and known");
    world.sent = Vec::new();
    Bytes { answered, settled, media, over: each(live_bytes::live()) }
}

/// Every peer speaks, by RTP and by RTCP.
fn speak(world: &mut World, sides: &[(u16, SocketAddr)]) {
    let mut room = [0; 172 + SEAL_BYTES_MAX];
    for number in 0..PACKETS {
        world.now += 20_000;
        for (port, peer) in sides {
            room[..2].copy_from_slice(&[0x80, 8]);
            room[2..4].copy_from_slice(&number.to_be_bytes());
            room[4..8].copy_from_slice(&(160 * u32::from(number)).to_be_bytes());
            let clock = world.clock();
            let passed = world.shard.on_media(clock, clock.now, *port, *peer, &mut room, 172);
            assert!(passed.is_some(), "a packet of the peer's is passed on");
        }
    }
    for (port, peer) in sides {
        // A receiver's report without a block (RFC 3550 §6.4.2).
        room[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 7]);
        let (clock, from) = (world.clock(), SocketAddr::new(peer.ip(), peer.port() + 1));
        let passed = world.shard.on_media(clock, clock.now, port + 1, from, &mut room, 8);
        assert!(passed.is_some(), "a report of the peer's is passed on");
    }
}

fn main() {
    println!(
        "bytes of a call in a shard's memory (`Call` itself has {}, each of its two pairs of ports {})",
        size_of::<call::Call>(),
        media::PAIR_BYTES
    );
    for (held, trace_percent) in ROWS {
        let Bytes { answered, settled, media, over } = measure(held, trace_percent);
        let with = if trace_percent > 0 { " and captured messages" } else { "" };
        if trace_percent == 0 {
            say(&format!("a held call, {held} of them"), settled, BYTES_MAX);
        }
        say(&format!("a held call with media{with}, {held} of them"), media, MEDIA_BYTES_MAX);
        say(&format!("a call that is over{with}, {held} of them"), over, OVER_BYTES_MAX);
        println!("{held:>6} calls{with}: {answered} just answered, {settled} held, {media} with media, {over} over");
    }
}

fn say(what: &str, bytes: usize, most: usize) {
    Finding::alone("MEM", what, "bytes", vec![bytes as f64], Limit::Most(most as f64)).say();
    println!("{what}: {bytes} bytes, at most {most}: {}", if bytes <= most { "met" } else { "MISSED" });
}
