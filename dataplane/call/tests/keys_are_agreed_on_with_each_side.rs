//! SRTP by keys in descriptions (RFC 4568): each side agrees with us alone, and media is opened and sealed between them.

#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

mod stage;

use call::Call;
use media::srtp::{Context, SEAL_BYTES_MAX, Secret};
use media::{Dropped, Verdict};
use sdp::{Crypto, KEY_BYTES_MAX, write_crypto};
use snapshot::Policy;
use stage::{CALLER, OFFER, Stage, hold, invite, reply, request, with_sdp};
use units::{Cause, Suite};

const TERMINATOR: &str = "127.0.0.3:5060";
const USUAL: [Suite; 2] = [Suite::AesGcm128, Suite::AesCm128Sha80];

fn policy(srtp: &str) -> Policy {
    Policy::from_text(&format!(r#"{{"media":{{"srtp":"{srtp}"}}}}"#)).expect("the policy is sound")
}

fn key(suite: Suite, seed: u8) -> Secret {
    Secret::new(suite, &vec![seed; suite.secret_bytes()]).unwrap()
}

/// A description with these keys, whose tags rise from 1.
fn with_keys(plain: &str, proto: &str, keys: &[Secret]) -> String {
    let mut lines = Vec::new();
    keys.iter().zip(1..).for_each(|(key, tag)| write_crypto(&mut lines, tag, key.suite().name(), key.bytes()));
    plain.replace("RTP/AVP", proto) + str::from_utf8(&lines).unwrap()
}

/// An answer from 127.0.0.2:6000 that takes one line.
fn answer_with(tag: u32, key: &Secret) -> String {
    let mut line = Vec::new();
    write_crypto(&mut line, tag, key.suite().name(), key.bytes());
    plain(6000).replace("RTP/AVP", "RTP/SAVP") + str::from_utf8(&line).unwrap()
}

fn plain(port: u16) -> String {
    OFFER.replace("4000", &port.to_string())
}

/// The keys in a message, by their tags.
fn keys_in(message: &str) -> Vec<(u32, Secret)> {
    let lines = message.lines().filter_map(|line| line.strip_prefix("a=crypto:"));
    lines
        .map(|line| {
            let crypto = Crypto::read(line.as_bytes()).unwrap();
            let mut room = [0; KEY_BYTES_MAX];
            let key = crypto.key(&mut room).unwrap();
            (crypto.tag, Secret::new(Suite::named(crypto.suite).unwrap(), key).unwrap())
        })
        .collect()
}

fn proto(message: &str) -> &str {
    message.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').nth(1)).expect("there is a description")
}

fn port(message: &str) -> u16 {
    let media = message.lines().find_map(|line| line.strip_prefix("m=audio ")).expect("there is a description");
    media.split(' ').next().unwrap().parse().unwrap()
}

fn rtp(number: u16) -> Vec<u8> {
    [&[0x80, 8][..], &number.to_be_bytes(), &[0, 0, 0, 1, 0, 0, 0, 7], b"twenty bytes of voice"].concat()
}

fn sealed(context: &mut Context, packet: &[u8]) -> Vec<u8> {
    let mut room = [packet, &[0; SEAL_BYTES_MAX]].concat();
    let length = context.seal(&mut room, packet.len()).unwrap();
    room.truncate(length);
    room
}

/// What leaves when these bytes come to that port of ours.
fn hear(stage: &mut Stage, port: u16, from: &str, bytes: &[u8]) -> Result<Vec<u8>, Dropped> {
    let mut room = [bytes, &[0; SEAL_BYTES_MAX]].concat();
    let now = stage.clock().now;
    match stage.relay.on_room(now, now, port, from.parse().unwrap(), &mut room, bytes.len()) {
        Verdict::Changed { length, .. } => Ok(room[..length].to_vec()),
        Verdict::Forward { .. } => Ok(bytes.to_vec()),
        Verdict::Say { .. } => panic!("nobody pressed a digit"),
        Verdict::Drop(why) => Err(why),
    }
}

/// Two sides talk.
fn talk(stage: &mut Stage, offer: &str, answer: impl Fn(&str) -> String) -> Call {
    let mut call = stage.begin_with(&with_sdp(&invite(), offer));
    let answer = reply(stage.last_of(1, "INVITE "), 200, Some(&answer(stage.last_of(1, "INVITE "))));
    stage.hear(&mut call, 1, &answer, TERMINATOR);
    let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), 1);
    stage.hear(&mut call, 0, &ack, CALLER);
    call
}

#[test]
fn an_encrypted_originator_meets_a_terminator_in_the_clear() {
    let mut stage = Stage::with_policies(policy("required"), policy("off"));
    let theirs = key(Suite::AesCm128Sha80, 1);
    talk(&mut stage, &with_keys(OFFER, "RTP/SAVP", &[theirs]), |_| plain(6000));
    let (offer, answer) = (stage.last_of(1, "INVITE ").to_owned(), stage.last_of(0, "SIP/2.0 200 ").to_owned());
    assert_eq!((proto(&offer), keys_in(&offer).len()), ("RTP/AVP", 0));
    assert_eq!((proto(&answer), keys_in(&answer)[0].0), ("RTP/SAVP", 1));
    let ours = keys_in(&answer)[0].1;
    assert_eq!(ours.suite(), theirs.suite());
    assert_ne!(ours, theirs);
    let packet = sealed(&mut Context::new(theirs), &rtp(1));
    assert_eq!(hear(&mut stage, port(&answer), "127.0.0.2:4000", &packet), Ok(rtp(1)));
    let mut heard = hear(&mut stage, port(&offer), "127.0.0.2:6000", &rtp(5)).unwrap();
    let length = Context::new(ours).open(&mut heard).unwrap();
    assert_eq!(heard[..length], rtp(5));
    assert_eq!(hear(&mut stage, port(&answer), "127.0.0.2:4000", &rtp(2)), Err(Dropped::Forged));
}

#[test]
fn an_originator_in_the_clear_meets_an_encrypted_terminator() {
    let mut stage = Stage::with_policies(Policy::default(), policy("required"));
    let theirs = key(Suite::AesCm128Sha80, 2);
    talk(&mut stage, OFFER, |_| answer_with(2, &theirs));
    let (offer, answer) = (stage.last_of(1, "INVITE ").to_owned(), stage.last_of(0, "SIP/2.0 200 ").to_owned());
    assert_eq!((proto(&answer), keys_in(&answer).len()), ("RTP/AVP", 0));
    assert_eq!(proto(&offer), "RTP/SAVP");
    let ours = keys_in(&offer);
    assert_eq!(ours.iter().map(|(_, key)| key.suite()).collect::<Vec<_>>(), USUAL);
    let mut heard = hear(&mut stage, port(&answer), "127.0.0.2:4000", &rtp(5)).unwrap();
    let length = Context::new(ours[1].1).open(&mut heard).unwrap();
    assert_eq!(heard[..length], rtp(5));
    let packet = sealed(&mut Context::new(theirs), &rtp(1));
    assert_eq!(hear(&mut stage, port(&offer), "127.0.0.2:6000", &packet), Ok(rtp(1)));
}

#[test]
fn what_is_optional_is_offered_beside_the_clear_and_taken_where_it_comes() {
    let theirs = key(Suite::AesGcm128, 2);
    for (offered, answered, secure) in [
        (OFFER.to_owned(), plain(6000), false),
        (OFFER.to_owned(), with_keys(&plain(6000), "RTP/AVP", &[theirs]), true),
        (with_keys(OFFER, "RTP/AVP", &[theirs]), plain(6000), false),
        (with_keys(OFFER, "RTP/SAVP", &[theirs]), answer_with(1, &theirs), true),
    ] {
        let mut stage = Stage::with_policies(policy("optional"), policy("optional"));
        talk(&mut stage, &offered, |_| answered.clone());
        let (offer, answer) = (stage.last_of(1, "INVITE "), stage.last_of(0, "SIP/2.0 200 "));
        assert_eq!((proto(offer), keys_in(offer).len()), ("RTP/AVP", 2));
        assert_eq!(proto(answer), proto(&offered), "an answer has its offer's profile");
        assert_eq!(keys_in(answer).len(), usize::from(offered.contains("crypto")));
        let (port, seals) = (port(answer), keys_in(offer)[0].1);
        let said = if offered.contains("crypto") { sealed(&mut Context::new(theirs), &rtp(1)) } else { rtp(1) };
        let mut heard = hear(&mut stage, port, "127.0.0.2:4000", &said).unwrap();
        let length = if secure { Context::new(seals).open(&mut heard).unwrap() } else { heard.len() };
        assert_eq!(heard[..length], rtp(1), "{answered}");
    }
}

#[test]
fn keys_pass_where_both_trunks_let_them() {
    let mut stage = Stage::new();
    let (hers, his) = (key(Suite::AesGcm256, 1), key(Suite::AesGcm256, 2));
    talk(&mut stage, &with_keys(OFFER, "RTP/SAVP", &[hers]), |_| answer_with(1, &his));
    assert_eq!(keys_in(stage.last_of(1, "INVITE ")), [(1, hers)]);
    assert_eq!(keys_in(stage.last_of(0, "SIP/2.0 200 ")), [(1, his)]);
    let (port, packet) = (port(stage.last_of(0, "SIP/2.0 200 ")), sealed(&mut Context::new(hers), &rtp(1)));
    assert_eq!(hear(&mut stage, port, "127.0.0.2:4000", &packet), Ok(packet));
}

#[test]
fn what_a_trunk_does_not_want_is_refused() {
    let good = key(Suite::AesCm128Sha80, 1);
    let dtls = OFFER.replace("RTP/AVP", "UDP/TLS/RTP/SAVP") + "a=fingerprint:sha-256 00\r\na=setup:actpass\r\n";
    let named = with_keys(OFFER, "RTP/SAVP", &[good]).trim_end().to_owned() + "|2^20|1:4\r\n";
    for (srtp, offer) in [
        ("required", OFFER.to_owned()),
        ("required", OFFER.replace("RTP/AVP", "RTP/SAVP")),
        ("required", dtls),
        ("required", named),
        ("required", with_keys(OFFER, "RTP/SAVP", &[good]).replace("SHA1_80", "SHA1_96")),
        ("optional", with_keys(OFFER, "RTP/SAVP", &[good]).replace("inline:", "inline:A")),
        ("optional", with_keys(OFFER, "RTP/SAVP", &[]) + "a=crypto:1 AES_CM_128_HMAC_SHA1_80 uri:x\r\n"),
        ("off", with_keys(OFFER, "RTP/SAVP", &[good])),
    ] {
        let mut stage = Stage::with_policies(policy(srtp), Policy::default());
        stage.begin_with(&with_sdp(&invite(), &offer));
        assert_eq!(stage.count(1, "INVITE "), 0, "{srtp}: {offer}");
        assert!(stage.last(0).starts_with("SIP/2.0 488 "), "{srtp}: {offer}");
        assert_eq!(stage.cdrs().last().unwrap().cause, Cause::INCOMPATIBLE);
    }
}

#[test]
fn a_terminator_that_must_encrypt_and_does_not_ends_the_call() {
    let theirs = key(Suite::AesGcm256, 1);
    for answer in [plain(6000), answer_with(9, &theirs), answer_with(1, &theirs), plain(6000).replace("AVP", "SAVP")] {
        let mut stage = Stage::with_policies(Policy::default(), policy("required"));
        let mut call = stage.begin();
        let answer = reply(stage.last_of(1, "INVITE "), 200, Some(&answer));
        stage.hear(&mut call, 1, &answer, TERMINATOR);
        assert!(stage.last(0).starts_with("SIP/2.0 488 "), "{answer}");
        assert_eq!(stage.count(1, "BYE "), 1);
    }
}

#[test]
fn the_trunks_order_of_suites_decides() {
    let offered = [key(Suite::AesCm128Sha32, 1), key(Suite::AesCm256Sha80, 2), key(Suite::AesGcm256, 3)];
    let listed = r#"{"media":{"srtp":"required","srtp_suites":["AEAD_AES_256_GCM","AES_256_CM_HMAC_SHA1_80"]}}"#;
    for (policy, tag) in [(Policy::from_text(listed).unwrap(), 3), (policy("required"), 1)] {
        let mut stage = Stage::with_policies(policy, Policy::default());
        talk(&mut stage, &with_keys(OFFER, "RTP/SAVP", &offered), |_| plain(6000));
        let answer = keys_in(stage.last_of(0, "SIP/2.0 200 "));
        assert_eq!((answer.len(), answer[0].0, answer[0].1.suite()), (1, tag, offered[tag as usize - 1].suite()));
    }
}

#[test]
fn a_repeated_offer_keeps_our_key_and_a_changed_one_changes_it() {
    let mut stage = Stage::with_policies(policy("required"), policy("off"));
    let first = key(Suite::AesCm128Sha80, 1);
    let mut call = talk(&mut stage, &with_keys(OFFER, "RTP/SAVP", &[first]), |_| plain(6000));
    let ours = keys_in(stage.last_of(0, "SIP/2.0 200 "));
    for (number, theirs, same) in [(2, first, true), (3, key(Suite::AesGcm128, 4), false)] {
        let offer = with_keys(&hold(), "RTP/SAVP", &[theirs]);
        let invite = with_sdp(&request("INVITE", stage.last_of(0, "SIP/2.0 200 "), number), &offer);
        stage.hear(&mut call, 0, &invite, CALLER);
        let answer = reply(stage.last_of(1, "INVITE "), 200, Some(&plain(6000)));
        stage.hear(&mut call, 1, &answer, TERMINATOR);
        let ack = request("ACK", stage.last_of(0, "SIP/2.0 200 "), number);
        stage.hear(&mut call, 0, &ack, CALLER);
        let answer = stage.last_of(0, "SIP/2.0 200 ").to_owned();
        assert_eq!(keys_in(&answer) == ours, same, "offer {number}");
        let packet = sealed(&mut Context::new(theirs), &rtp(number as u16));
        assert_eq!(hear(&mut stage, port(&answer), "127.0.0.2:4000", &packet), Ok(rtp(number as u16)));
    }
}

#[test]
fn after_a_refused_change_the_keys_are_as_they_were() {
    let mut stage = Stage::with_policies(policy("required"), policy("off"));
    let first = key(Suite::AesCm128Sha80, 1);
    let mut call = talk(&mut stage, &with_keys(OFFER, "RTP/SAVP", &[first]), |_| plain(6000));
    let (ours, ports) = (keys_in(stage.last_of(0, "SIP/2.0 200 "))[0].1, port(stage.last_of(1, "INVITE ")));
    let answer = stage.last_of(0, "SIP/2.0 200 ").to_owned();
    let (mut alice, mut to_alice) = (Context::new(first), Context::new(ours));
    let packet = sealed(&mut alice, &rtp(1));
    assert!(hear(&mut stage, port(&answer), "127.0.0.2:4000", &packet).is_ok());
    let mut heard = hear(&mut stage, ports, "127.0.0.2:6000", &rtp(1)).unwrap();
    assert!(to_alice.open(&mut heard).is_ok());
    let offer = with_keys(&hold(), "RTP/SAVP", &[key(Suite::AesGcm128, 4)]);
    stage.hear(&mut call, 0, &with_sdp(&request("INVITE", &answer, 2), &offer), CALLER);
    let refusal = reply(stage.last_of(1, "INVITE "), 488, None);
    stage.hear(&mut call, 1, &refusal, TERMINATOR);
    let again = hear(&mut stage, port(&answer), "127.0.0.2:4000", &packet);
    assert_eq!(again, Err(Dropped::Replayed), "what was heard under the old key stays heard");
    let packet = sealed(&mut alice, &rtp(2));
    assert_eq!(hear(&mut stage, port(&answer), "127.0.0.2:4000", &packet), Ok(rtp(2)));
    let mut heard = hear(&mut stage, ports, "127.0.0.2:6000", &rtp(2)).unwrap();
    assert!(to_alice.open(&mut heard).is_ok());
}

#[test]
fn media_before_the_answer_is_heard_by_nobody_in_the_clear() {
    let mut stage = Stage::with_policies(policy("required"), policy("off"));
    let mut call = stage.begin_with(&with_sdp(&invite(), &with_keys(OFFER, "RTP/SAVP", &[key(Suite::AesGcm128, 1)])));
    let (egress, answer) = (port(stage.last_of(1, "INVITE ")), stage.last_of(1, "INVITE ").to_owned());
    // The terminator's address is known by its 183; the originator hears that as well, with our key.
    assert!(hear(&mut stage, egress, "127.0.0.2:6000", &rtp(1)).is_err());
    stage.hear(&mut call, 1, &reply(&answer, 183, Some(&plain(6000))), TERMINATOR);
    let ours = keys_in(stage.last_of(0, "SIP/2.0 183 "))[0].1;
    let mut heard = hear(&mut stage, egress, "127.0.0.2:6000", &rtp(2)).unwrap();
    assert!(Context::new(ours).open(&mut heard).is_ok());
    stage.hear(&mut call, 1, &reply(&answer, 200, Some(&plain(6000))), TERMINATOR);
    assert_eq!(keys_in(stage.last_of(0, "SIP/2.0 200 "))[0].1, ours, "one key for early media and the answer");
}

#[test]
fn branches_of_a_fork_have_keys_of_their_own() {
    let mut stage = Stage::with_policies(Policy::default(), policy("required"));
    let mut call = stage.begin();
    let invite = stage.last_of(1, "INVITE ").to_owned();
    let offered = keys_in(&invite);
    let mut branches = [1, 2].map(|tag| Context::new(key(USUAL[tag as usize - 1], tag)));
    for (place, status) in [(0, 183), (1, 183), (0, 200)] {
        let theirs = key(USUAL[place], place as u8 + 1);
        let said = reply(&invite, status, Some(&answer_with(place as u32 + 1, &theirs)));
        stage.hear(&mut call, 1, &said.replace("tag=callee", &format!("tag=callee{place}")), TERMINATOR);
        let number = u16::from(status == 200);
        let packet = sealed(&mut branches[place], &rtp(number));
        assert_eq!(hear(&mut stage, port(&invite), "127.0.0.2:6000", &packet), Ok(rtp(number)), "branch {place}");
    }
    let ingress = port(stage.last_of(0, "SIP/2.0 200 "));
    let mut heard = hear(&mut stage, ingress, "127.0.0.2:4000", &rtp(5)).unwrap();
    assert!(Context::new(offered[0].1).open(&mut heard).is_ok(), "the branch that answered is spoken with");
}
