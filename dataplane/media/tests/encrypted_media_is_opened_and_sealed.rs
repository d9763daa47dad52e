//! Two legs with keys of their own, or one with and one without: what comes out at the other end is what went in.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::net::SocketAddr;

use media::srtp::{Context, Refused, SEAL_BYTES_MAX, SOURCES_MAX, Secret};
use media::{Carries, Digit, Dropped, Pair, Relay, Seal, Sound, Stay, Verdict};
use proptest::prelude::*;
use units::{Instant, Suite};

const ALICE: &str = "192.0.2.10:4000";
const BOB: &str = "198.51.100.20:6000";

fn secret(suite: Suite, seed: u8) -> Secret {
    let bytes: Vec<u8> = (0..suite.secret_bytes() as u8).map(|place| place.wrapping_mul(7) ^ seed).collect();
    Secret::new(suite, &bytes).unwrap()
}

fn rtp(sequence: u16, source: u32, payload: &[u8]) -> Vec<u8> {
    let head = [&[0x80, 8][..], &sequence.to_be_bytes(), &(u32::from(sequence) * 160).to_be_bytes()].concat();
    [&head[..], &source.to_be_bytes(), payload].concat()
}

fn report(source: u32) -> Vec<u8> {
    [&[0x80, 201, 0, 1][..], &source.to_be_bytes()].concat()
}

fn sealed(context: &mut Context, packet: &[u8]) -> Vec<u8> {
    let mut room = [packet, &[0; SEAL_BYTES_MAX]].concat();
    let length = context.seal(&mut room, packet.len()).unwrap();
    room.truncate(length);
    room
}

fn opened(context: &mut Context, packet: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut room = packet.to_vec();
    let length = context.open(&mut room)?;
    room.truncate(length);
    Ok(room)
}

/// Alice encrypts, Bob may.
struct Call {
    relay: Relay,
    ingress: Pair,
    egress: Pair,
    alice: Context,
    /// What Alice is sent.
    to_alice: Context,
}

impl Call {
    fn new(suite: Suite) -> Call {
        let mut relay = Relay::new(20_000, 20_099, 7);
        let now = Instant::default();
        let (ingress, egress) = (relay.open(now).unwrap(), relay.open(now).unwrap());
        relay.join(ingress.id, egress.id);
        for (pair, peer) in [(ingress, ALICE), (egress, BOB)] {
            let named: SocketAddr = peer.parse().unwrap();
            relay.expect(pair.id, named, SocketAddr::new(named.ip(), named.port() + 1));
        }
        relay.open_with(ingress.id, Some(secret(suite, 1)));
        relay.seal_with(ingress.id, Seal::With(secret(suite, 2)));
        let (alice, to_alice) = (Context::new(secret(suite, 1)), Context::new(secret(suite, 2)));
        Call { relay, ingress, egress, alice, to_alice }
    }

    /// What leaves, and from which port, when these bytes come.
    fn hear(&mut self, port: u16, from: &str, bytes: &[u8]) -> Result<(u16, Vec<u8>), Dropped> {
        let mut room = [bytes, &[0; SEAL_BYTES_MAX]].concat();
        let now = Instant::from_micros(1);
        match self.relay.on_room(now, now, port, from.parse().unwrap(), &mut room, bytes.len()) {
            Verdict::Forward { port, .. } => Ok((port, bytes.to_vec())),
            Verdict::Changed { port, length, .. } => Ok((port, room[..length].to_vec())),
            Verdict::Say { port, bytes, .. } => Ok((port, bytes.to_vec())),
            Verdict::Drop(why) => Err(why),
        }
    }

    fn alice_says(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Dropped> {
        self.hear(self.ingress.rtp_port, ALICE, bytes).map(|(_, bytes)| bytes)
    }

    fn bob_says(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Dropped> {
        self.hear(self.egress.rtp_port, BOB, bytes).map(|(_, bytes)| bytes)
    }
}

#[test]
fn one_side_is_encrypted_and_the_other_is_not() {
    for suite in Suite::ALL {
        let mut call = Call::new(suite);
        for number in [10, 11, 13, 12] {
            let said = rtp(number, 77, b"a word of Alice's");
            let packet = sealed(&mut call.alice, &said);
            assert_eq!(call.alice_says(&packet).unwrap(), said, "{}", suite.name());
            let answer = rtp(number, 99, b"");
            let heard = call.bob_says(&answer).unwrap();
            assert_ne!(heard, answer);
            assert_eq!(opened(&mut call.to_alice, &heard).unwrap(), answer, "{}", suite.name());
        }
        assert_eq!(call.relay.quality(call.ingress.id).packets, 4);
        assert_eq!(call.relay.stays(call.egress.id).each().collect::<Vec<_>>(), [Stay::Crypt]);
    }
}

#[test]
fn both_sides_are_encrypted_with_keys_of_their_own() {
    let mut call = Call::new(Suite::AesCm128Sha32);
    let (hers, ours) = (secret(Suite::AesGcm256, 3), secret(Suite::AesGcm256, 4));
    call.relay.open_with(call.egress.id, Some(hers));
    call.relay.seal_with(call.egress.id, Seal::With(ours));
    let (mut bob, mut to_bob) = (Context::new(hers), Context::new(ours));
    let said = rtp(1, 77, &[5; 160]);
    let packet = sealed(&mut call.alice, &said);
    assert_eq!(packet.len(), said.len() + 4);
    let heard = call.alice_says(&packet).unwrap();
    assert_eq!(heard.len(), said.len() + 16);
    assert_eq!(opened(&mut to_bob, &heard).unwrap(), said);
    let back = sealed(&mut bob, &said);
    let heard = call.bob_says(&back).unwrap();
    assert_eq!(opened(&mut call.to_alice, &heard).unwrap(), said);
}

/// Also what comes from somebody with the right key must be a whole compound (RFC 3550 A.2).
#[test]
fn a_broken_report_does_not_cross_after_it_was_opened() {
    for suite in Suite::ALL {
        let mut call = Call::new(suite);
        call.relay.carry(call.ingress.id, Carries::Srtp);
        let whole = [report(77), report(78)].concat();
        let packet = sealed(&mut call.alice, &whole);
        assert_eq!(call.alice_says(&packet).unwrap(), whole, "{}", suite.name());
        for more in [&[0_u8; 4][..], &[0x80, 202, 0, 9], &[1]] {
            let packet = sealed(&mut call.alice, &[&report(77), more].concat());
            assert_eq!(call.alice_says(&packet), Err(Dropped::Foreign), "{} {more:?}", suite.name());
        }
    }
}

#[test]
fn reports_are_opened_and_sealed_on_both_ports() {
    let mut call = Call::new(Suite::AesGcm128);
    let (mux, own) = (call.ingress.rtp_port, call.ingress.rtp_port + 1);
    for (port, from) in [(mux, ALICE), (own, "192.0.2.10:4001")] {
        let packet = sealed(&mut call.alice, &report(77));
        let (_, heard) = call.hear(port, from, &packet).unwrap();
        assert_eq!(heard, report(77));
        assert_eq!(call.hear(port, from, &packet), Err(Dropped::Replayed));
    }
    let heard = call.bob_says(&report(99)).unwrap();
    assert_eq!(opened(&mut call.to_alice, &heard).unwrap(), report(99));
    assert_eq!(&heard[heard.len() - 4..], [0x80, 0, 0, 0], "the first report's number, and that it is encrypted");
    let again = call.bob_says(&report(99)).unwrap();
    assert_eq!(&again[again.len() - 4..], [0x80, 0, 0, 1], "a report that comes twice has two numbers");
}

#[test]
fn a_wrong_key_is_silence_that_is_counted() {
    for suite in Suite::ALL {
        let mut call = Call::new(suite);
        let mut stranger = Context::new(secret(suite, 9));
        for number in 0..50 {
            let packet = sealed(&mut stranger, &rtp(number, 77, b"noise"));
            assert_eq!(call.alice_says(&packet), Err(Dropped::Forged));
            assert_eq!(call.alice_says(&rtp(number, 77, b"not encrypted at all")), Err(Dropped::Forged));
        }
        assert_eq!(call.relay.dropped(Dropped::Forged), 100);
        assert_eq!(call.relay.last_heard(call.ingress.id), None, "what was forged is not heard");
        // A neighbour that forges does not take Alice's place.
        let packet = sealed(&mut stranger, &rtp(60, 77, b"noise"));
        assert!(call.hear(call.ingress.rtp_port, "192.0.2.11:4444", &packet).is_err());
        let said = rtp(0, 77, b"a word");
        let packet = sealed(&mut call.alice, &said);
        assert_eq!(call.hear(call.ingress.rtp_port, "192.0.2.12:4000", &packet).unwrap().1, said, "behind a NAT");
        let heard = call.bob_says(&rtp(0, 99, b"hello")).unwrap();
        assert!(opened(&mut call.to_alice, &heard).is_ok());
    }
}

#[test]
fn numbers_wrap_around_and_come_late() {
    let mut call = Call::new(Suite::AesCm128Sha80);
    let packets: Vec<_> = (0..70_000_u32)
        .map(|step| {
            let said = rtp((65_500 + step) as u16, 77, &step.to_be_bytes());
            (sealed(&mut call.alice, &said), said)
        })
        .collect();
    // Each pair comes in the wrong order, the one that wraps as well.
    for pair in packets.chunks(2) {
        for (packet, said) in pair.iter().rev() {
            assert_eq!(call.alice_says(packet).as_ref(), Ok(said));
        }
    }
    let last = packets.len() - 1;
    for place in [last, last - 1, last - 127, last - 128, last - 30_000, 0] {
        assert!(call.alice_says(&packets[place].0).is_err(), "{place} came before");
    }
    assert_eq!(call.relay.quality(call.ingress.id).packets, 70_000);
    // The other direction: we are the ones who count.
    for step in 0..200_u32 {
        let said = rtp((65_400 + step) as u16, 99, b"word");
        let heard = call.bob_says(&said).unwrap();
        assert_eq!(opened(&mut call.to_alice, &heard), Ok(said));
    }
}

#[test]
fn a_late_packet_within_the_window_is_the_peers() {
    let mut call = Call::new(Suite::AesGcm128);
    let packets: Vec<_> = (0..200).map(|number| sealed(&mut call.alice, &rtp(number, 77, b"word"))).collect();
    assert!(call.alice_says(&packets[199]).is_ok());
    assert!(call.alice_says(&packets[72]).is_ok(), "127 numbers late");
    assert_eq!(call.alice_says(&packets[71]), Err(Dropped::Replayed), "128 numbers late");
    assert_eq!(call.alice_says(&packets[72]), Err(Dropped::Replayed));
}

#[test]
fn we_never_seal_two_packets_with_one_number() {
    let mut call = Call::new(Suite::AesCm128Sha80);
    assert!(call.bob_says(&rtp(500, 99, b"one")).is_ok());
    assert_eq!(call.bob_says(&rtp(500, 99, b"two")), Err(Dropped::Replayed));
    // A change of keys back and forth does not begin the numbers anew.
    call.relay.seal_with(call.ingress.id, Seal::With(secret(Suite::AesGcm128, 5)));
    assert!(call.bob_says(&rtp(500, 99, b"three")).is_ok(), "another key");
    call.relay.seal_with(call.ingress.id, Seal::Plain);
    call.relay.seal_with(call.ingress.id, Seal::With(secret(Suite::AesCm128Sha80, 2)));
    assert_eq!(call.bob_says(&rtp(500, 99, b"four")), Err(Dropped::Replayed));
}

#[test]
fn sources_may_change_and_are_bounded() {
    let mut call = Call::new(Suite::AesCm256Sha80);
    let mut bystander = Context::new(secret(Suite::AesCm256Sha80, 1));
    for source in 0..SOURCES_MAX as u32 {
        let said = rtp(7, source, b"word");
        let packet = sealed(&mut call.alice, &said);
        assert_eq!(call.alice_says(&packet).as_ref(), Ok(&said));
    }
    let one_more = rtp(7, 1_000, b"word");
    let mut room = [&one_more[..], &[0; SEAL_BYTES_MAX]].concat();
    assert_eq!(call.alice.seal(&mut room, one_more.len()), Err(Refused::Exhausted));
    let packet = sealed(&mut bystander, &one_more);
    assert_eq!(call.alice_says(&packet), Err(Dropped::Replayed));
    let packet = sealed(&mut call.alice, &rtp(8, 3, b"word"));
    assert!(call.alice_says(&packet).is_ok(), "a source that is known goes on");
}

#[test]
fn a_peer_changes_its_key_in_the_middle_of_a_call() {
    let suite = Suite::AesCm128Sha80;
    let mut call = Call::new(suite);
    let old: Vec<_> = (1..4).map(|number| sealed(&mut call.alice, &rtp(number, 77, b"old"))).collect();
    assert!(call.alice_says(&old[0]).is_ok());
    call.relay.open_with(call.ingress.id, Some(secret(suite, 8)));
    let mut changed = Context::new(secret(suite, 8));
    assert!(call.alice_says(&old[1]).is_ok(), "what was under way still comes");
    let packet = sealed(&mut changed, &rtp(5, 77, b"new"));
    assert!(call.alice_says(&packet).is_ok());
    assert_eq!(call.alice_says(&old[2]), Err(Dropped::Forged), "the old key is over once the new one was heard");
    // The change is taken back: the old key goes on where it was.
    call.relay.open_with(call.ingress.id, Some(secret(suite, 1)));
    assert_eq!(call.alice_says(&old[1]), Err(Dropped::Replayed));
    assert!(call.alice_says(&old[2]).is_ok());
}

#[test]
fn nothing_leaves_in_the_clear_while_a_key_is_not_told() {
    let mut call = Call::new(Suite::AesGcm256);
    call.relay.seal_with(call.ingress.id, Seal::Wait);
    assert!(call.bob_says(&rtp(1, 99, b"early")).is_err());
    call.relay.seal_with(call.ingress.id, Seal::With(secret(Suite::AesGcm256, 2)));
    assert!(call.bob_says(&rtp(2, 99, b"heard")).is_ok());
    let seen =
        call.relay.on_packet(Instant::default(), call.egress.rtp_port, BOB.parse().unwrap(), &rtp(3, 99, b"no room"));
    assert_eq!(seen, Verdict::Drop(Dropped::Nowhere));
}

#[test]
fn a_digit_in_place_of_voice_is_sealed_like_voice() {
    let mut call = Call::new(Suite::AesCm128Sha80);
    call.relay.say_events(call.egress.id, Some((101, 8_000)));
    assert!(call.relay.say(call.egress.id, Digit { event: 5, millis: 100 }));
    let heard = call.bob_says(&rtp(9, 99, &[0; 160])).unwrap();
    let heard = opened(&mut call.to_alice, &heard).unwrap();
    assert_eq!((heard[1], heard[12], heard.len()), (0x80 | 101, 5, 16));
}

proptest! {
    /// Whatever a peer or a stranger sends to a leg with keys: no panic, and nothing that its key did not sign comes through.
    #[test]
    fn what_was_not_signed_never_passes(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        rtcp in any::<bool>(),
        head in prop::sample::select(vec![&[0x80_u8, 8][..], &[0x80, 200, 0, 1], &[0x90, 0x65], &[0x8f, 0], &[0, 1], &[22, 254], &[]]),
        tail in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut call = Call::new(suite);
        let port = call.ingress.rtp_port + u16::from(rtcp);
        let from = if rtcp { "192.0.2.10:4001" } else { ALICE };
        let packet = [head, &tail].concat();
        prop_assert!(call.hear(port, from, &packet).is_err());
        // The plain side says whatever it likes: it is sealed and can be opened, or it is dropped.
        let port = call.egress.rtp_port + u16::from(rtcp);
        let from = if rtcp { "198.51.100.20:6001" } else { BOB };
        if let Ok((_, heard)) = call.hear(port, from, &packet) {
            prop_assert_eq!(opened(&mut call.to_alice, &heard), Ok(packet));
        }
    }

    /// One changed bit anywhere, a cut or a longer end: refused, and the packet stays as it was.
    #[test]
    fn a_changed_packet_is_refused(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        rtcp in any::<bool>(),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u32,
        cut in 0..30_usize,
    ) {
        let (mut sends, mut hears) = (Context::new(secret(suite, 1)), Context::new(secret(suite, 1)));
        let plain = if rtcp { report(77) } else { rtp(3, 77, b"forty bytes of voice, more or less") };
        let whole = sealed(&mut sends, &plain);
        let mut changed = whole.clone();
        *place.get_mut(&mut changed) ^= 1 << bit;
        let before = changed.clone();
        prop_assert!(hears.open(&mut changed).is_err());
        prop_assert_eq!(changed, before);
        let mut short = whole[..whole.len().saturating_sub(1 + cut)].to_vec();
        prop_assert!(hears.open(&mut short).is_err());
        prop_assert_eq!(opened(&mut hears, &whole), Ok(plain));
    }
}

#[test]
fn what_is_recorded_is_in_the_clear_and_only_what_was_passed_on() {
    let mut call = Call::new(Suite::AesCm128Sha80);
    let packet = |sequence| rtp(sequence, 5, &[sequence as u8; 160]);
    let sealed = |call: &mut Call, sequence| sealed(&mut call.alice, &packet(sequence));
    let first = sealed(&mut call, 1);
    call.alice_says(&first).unwrap();
    assert!(call.relay.said().is_none(), "nobody wished it");
    call.relay.stay(call.ingress.id, Stay::Record, true);
    let second = sealed(&mut call, 2);
    call.alice_says(&second).unwrap();
    let said = call.relay.said().unwrap();
    assert_eq!((said.port, said.sound, said.source, said.timestamp), (call.ingress.rtp_port, Sound::Alaw, 5, 320));
    assert_eq!(said.payload, [2; 160]);
    assert!(call.relay.said().is_none(), "once");
    // Neither what a stranger says, nor what is played again, nor what nobody hears.
    let third = sealed(&mut call, 3);
    assert!(call.hear(call.ingress.rtp_port, "203.0.113.66:4000", &third).is_err());
    assert!(call.alice_says(&second).is_err());
    call.relay.hush(call.ingress.id, true);
    assert!(call.alice_says(&third).is_err());
    assert!(call.relay.said().is_none());
}

#[test]
fn a_recorded_voice_ends_before_its_padding_and_events_and_noise_are_none() {
    let mut call = Call::new(Suite::AesCm128Sha80);
    call.relay.open_with(call.ingress.id, None);
    call.relay.stay(call.ingress.id, Stay::Record, true);
    let mut padded = rtp(1, 5, &[7; 100]);
    padded[0] |= 0x20;
    *padded.last_mut().unwrap() = 20;
    call.alice_says(&padded).unwrap();
    assert_eq!(call.relay.said().unwrap().payload, [7; 80]);
    // More padding than there is.
    *padded.last_mut().unwrap() = 255;
    padded[3] = 2;
    call.alice_says(&padded).unwrap();
    assert!(call.relay.said().unwrap().payload.is_empty());
    let mut noise = rtp(3, 5, &[60]);
    noise[1] = 13;
    call.alice_says(&noise).unwrap();
    assert!(call.relay.said().is_none());
    let mut other = rtp(4, 5, &[1; 20]);
    other[1] = 18;
    call.alice_says(&other).unwrap();
    let said = call.relay.said().unwrap();
    assert_eq!((said.sound, said.payload.len()), (Sound::Unknown, 0), "G.729 has no decoder here");
}
