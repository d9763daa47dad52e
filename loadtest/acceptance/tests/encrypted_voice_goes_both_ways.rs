//! SRTP between a foreign program and the switch: baresip encrypts with libre's own code, SIPp echoes what it is sent in the clear.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use acceptance::sipp::Scenario;
use acceptance::switch::{Switch, declaration};
use acceptance::{Net, baresip, scenario};

const CALLED: &str = "4420790012";
/// Packets of a SIPp call.
const PACKETS: u64 = 100;

/// baresip leaves the address that its media comes from to the kernel, which takes this one.
const BARESIP: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The usual switch, whose originator encrypts by one of these suites.
fn switch(suite: &str, originator: Option<Ipv4Addr>) -> Switch {
    let net = Net::draw();
    let mut text = declaration(net);
    if let Some(originator) = originator {
        text = text.replace(&format!("[{}]", net.host(2)), &format!("[{originator}]"));
    }
    let _ = writeln!(text, "    policy: {{ media: {{ srtp: required, srtp_suites: [{suite}] }} }}");
    Switch::up_as(net, &text, None)
}

#[test]
fn baresip_speaks_and_is_spoken_with_under_keys() {
    // The one suite that baresip offers unasked.
    let suite = "AES_CM_128_HMAC_SHA1_80";
    let switch = switch(suite, Some(BARESIP));
    let _terminator = switch.taking(&["-rtp_echo"]);
    let folder = baresip::furnish(switch.folder(), BARESIP, "", "module srtp.so\n");
    let account = format!("<sip:{}@{}>;regint=0;mediaenc=srtp-mand\n", baresip::CALLING, BARESIP);
    std::fs::write(folder.join("accounts"), account).expect("the folder is writable");
    // Both directions are relayed; neither has half as much again as the other.
    let enough = || switch.counter("media_relayed") > 300;
    baresip::call(&folder, &format!("sip:{CALLED}@{}", switch.sip()), enough);
    let records = switch.collected(1);
    let [record] = &records[..] else { panic!("one call: {records:#?}") };
    assert_eq!(record.text("ingress_suite"), suite, "{record:#?}");
    assert!(record.number("ingress_packets") > 100 && record.number("egress_packets") > 100, "{record:#?}");
    assert_eq!(record.number("ingress_lost") + record.number("egress_lost"), 0, "{record:#?}");
    // baresip opens its path by a packet or two in the clear.
    assert!(switch.counter("media_forged") <= 2, "everything else was signed");
    let log = std::fs::read_to_string(folder.join("log")).expect("baresip keeps a log");
    assert!(log.contains(&format!("SRTP is Enabled (cryptosuite={suite})")) && !log.contains("failed"), "{log}");
}

#[test]
fn a_voice_under_another_key_is_silence_and_counted() {
    let switch = switch("AES_CM_128_HMAC_SHA1_80", None);
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
