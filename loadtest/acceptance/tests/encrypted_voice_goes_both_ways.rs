//! SRTP between a foreign program and the switch: baresip encrypts with libre's own code, SIPp echoes what it is sent in the clear.

use std::fmt::Write as _;

use acceptance::sipp::Scenario;
use acceptance::switch::{Switch, declaration};
use acceptance::{Net, baresip, scenario};

const CALLED: &str = "4420790012";
/// Seconds that a call of baresip lasts.
const TALK_S: &str = "4";
/// Samples that must come back one like the other, in one piece: a second and a half of seventy-five packets.
const WHOLE: usize = 12_000;
/// Samples in a packet.
const PACKET: usize = 160;
/// Packets of a SIPp call.
const PACKETS: u64 = 100;

/// What µ-law (ITU-T G.711) makes of a byte.
fn expanded(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i16::from(byte & 0x0f) << 3) + 0x84) << ((byte & 0x70) >> 4);
    if byte & 0x80 != 0 { 0x84 - magnitude } else { magnitude - 0x84 }
}

/// Ten seconds that never repeat, of samples that µ-law keeps as they are.
fn voice() -> Vec<i16> {
    let mut state = 7_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..80_000).map(|_| expanded(draw() & 0x7e | 1)).collect()
}

/// The longest piece of what was said that was heard without a difference, in samples.
fn longest(said: &[i16], heard: &[i16]) -> usize {
    let mut best = 0;
    let mut at = 0;
    while at + PACKET <= heard.len() {
        let begins = said.windows(PACKET).position(|window| *window == heard[at..at + PACKET]);
        let same = begins.map_or(0, |begins| {
            said[begins..].iter().zip(&heard[at..]).take_while(|(said, heard)| said == heard).count()
        });
        best = best.max(same);
        at += same.max(PACKET);
        if best >= WHOLE {
            break;
        }
    }
    best
}

/// The usual switch, whose originator encrypts by one of these suites.
fn switch(suite: &str) -> Switch {
    let net = Net::draw();
    let mut text = declaration(net);
    let _ = writeln!(text, "    policy: {{ media: {{ srtp: required, srtp_suites: [{suite}] }} }}");
    Switch::up_as(net, &text, None)
}

#[test]
fn baresip_hears_every_sample_of_its_encrypted_voice_again() {
    for suite in ["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_256_GCM"] {
        let switch = switch(suite);
        let _terminator = switch.taking(&["-rtp_echo"]);
        let folder = baresip::furnish(switch.folder(), switch.originator(), ";mediaenc=srtp-mand", "module srtp.so\n");
        std::fs::write(folder.join("silence.wav"), baresip::wav(&voice())).expect("the folder is writable");
        baresip::call(&folder, &format!("sip:{CALLED}@{}", switch.sip()), TALK_S);
        let records = switch.collected(1);
        let [record] = &records[..] else { panic!("one call: {records:#?}") };
        assert_eq!(record.text("ingress_suite"), suite, "{record:#?}");
        assert!(record.number("ingress_packets") > 100 && record.number("egress_packets") > 100, "{record:#?}");
        assert_eq!(record.number("ingress_lost") + record.number("egress_lost"), 0, "{record:#?}");
        assert_eq!(switch.counter("media_forged"), 0);
        let same = longest(&voice(), &baresip::heard(&folder));
        assert!(same >= WHOLE, "{suite}: {same} samples in a row came back as they were");
    }
}

#[test]
fn a_voice_under_another_key_is_silence_and_counted() {
    let switch = switch("AES_CM_128_HMAC_SHA1_80");
    std::fs::write(switch.folder().join("tone.alaw"), [0xd5; 16_000]).expect("the folder is writable");
    // SIPp names a key and does not encrypt at all: to the switch, a key that nobody told it.
    let plain = std::fs::read_to_string(scenario::folder().join("rtp.xml")).expect("the scenario is there");
    let key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
    let keyed =
        plain.replace("RTP/AVP 8\n", "RTP/SAVP 8\n").replace("a=ptime:20\n", &format!("a=ptime:20\n      {key}\n"));
    let file = switch.folder().join("keyed.xml");
    std::fs::write(&file, keyed).expect("the folder is writable");
    let _terminator = switch.taking(&["-rtp_echo"]);
    switch.placing(Scenario::File(file), 1, 1, 0, CALLED, &[]).all_calls_succeed();
    let records = switch.collected(1);
    let [record] = &records[..] else { panic!("one call: {records:#?}") };
    assert_eq!((record.number("ingress_packets"), record.number("egress_packets")), (0, 0), "{record:#?}");
    assert!((PACKETS - 5..=PACKETS + 1).contains(&switch.counter("media_forged")), "all were counted");
}
