//! SIPp sends G.711 as RTP, SIPp at the other side echoes it: the switch relays and counts both directions. Our own load test counts every packet.

use std::io::Write as _;
use std::process::Command;

use acceptance::books::exact;
use acceptance::sipp::Scenario;
use acceptance::switch::Switch;

/// Calls with a voice.
const CALLS: u32 = 20;
/// Two seconds of G.711.
const TONE_BYTES: usize = 16_000;
/// Packets of those seconds, at twenty milliseconds each.
const PACKETS: u64 = 100;

#[test]
fn rtp_is_relayed_to_the_terminator_and_its_echo_back() {
    let switch = Switch::up(None);
    std::fs::write(switch.folder().join("tone.alaw"), [0xd5; TONE_BYTES]).expect("the folder is writable");
    let _terminator = switch.taking(&["-rtp_echo"]);
    switch.placing(Scenario::Ours("rtp.xml"), CALLS, 10, 0, "4420790012", &[]).all_calls_succeed();
    let records = switch.collected(CALLS as usize);
    assert_eq!(records.len(), CALLS as usize);
    for record in &records {
        let (sent, echoed) = (record.number("ingress_packets"), record.number("egress_packets"));
        // SIPp may send the last packets of a file after the pause has ended.
        assert!((PACKETS - 5..=PACKETS + 1).contains(&sent), "the originator's packets: {record:#?}");
        assert!((PACKETS - 5..=sent).contains(&echoed), "the terminator's packets: {record:#?}");
        assert_eq!(record.number("ingress_lost") + record.number("egress_lost"), 0, "nothing is lost: {record:#?}");
        // SIPp's uas answers PCMU whatever it is offered.
        assert_eq!((record.text("codec"), record.text("calling")), ("PCMU/8000", "12125550100"));
    }
    switch.charged(exact(&records));
}

/// `make media-minute` in small.
fn minute(more: &[(&str, &str)]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../media-minute");
    let small = [("CALLS", "20"), ("TALK", "2")];
    let output = Command::new(script).envs(small).envs(more.iter().copied()).output().expect("the script starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // Past the test harness, which keeps to itself what a passed test prints: that it did not run is to be heard.
    let _ = write!(std::io::stderr(), "{said}");
    assert!(output.status.success(), "{said}");
}

/// By sockets, then in the kernel.
#[test]
fn both_ends_and_the_records_agree_on_every_packet_whichever_way_it_took() {
    minute(&[]);
}

#[test]
fn both_ends_and_the_records_agree_on_every_packet_that_the_kernel_made_and_heard() {
    minute(&[("MEDIA_BY", "kernel"), ("WAYS", "auto")]);
}
