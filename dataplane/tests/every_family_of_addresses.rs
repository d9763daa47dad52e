//! A call over IPv6, and between IPv4 and IPv6, is heard, measured, captured, recorded, told to a collector and ended as one over IPv4.
#![allow(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

#[path = "../../rating/tests/world.rs"]
mod world;

#[path = "support/plane.rs"]
mod plane;
#[path = "support/ports.rs"]
mod ports;
#[path = "support/read.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod read;
#[path = "support/talk.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod talk;

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use panel::wire::Ask;
use plane::{PATIENCE, Plane};
use read::{A_LAW, begins, capture, collected, counter, datagram, file, record, row, same, sox, voice};
use talk::{Datagram, MEDIA, REPORTS, Talk, once, packet};
use tempfile::TempDir;
use units::Cause;

const FOUR: &str = "127.0.44.1";
const SIX: &str = "::1";
/// What the originator's side has, and the terminator's.
const SIDES: [[&str; 2]; 3] = [[SIX, SIX], [FOUR, SIX], [SIX, FOUR]];

/// A switch that hears both families, and two peers of these.
fn stage(data: &Path, sides: [&str; 2], words: &[&str], furnish: impl Fn(&mut Talk)) -> (Plane, Talk) {
    let port = ports::free_port();
    let [four, six] = [FOUR, SIX].map(|ip| SocketAddr::new(ip.parse().unwrap(), port));
    let mut talk = Talk::between(sides.map(|side| if side == SIX { six } else { four }));
    furnish(&mut talk);
    talk.publish(data, r#"{"capture":{"what":"full"},"recording":{"percent":100}}"#, "");
    let (four, other) = (four.to_string(), format!("udp:{six}"));
    let all = ["--sip", &four, "--listen", &other, "--media", FOUR, "--media", SIX, "--log", "warn"];
    let mut plane = Plane::start(data, &[&all[..], words].concat());
    // Every shard has opened its sockets when it answers.
    plane.ask(Ask::Figures);
    (plane, talk)
}

/// RFC 3550 §6.4.1: a sender report without blocks, whose NTP time has this in its middle.
fn sender_report(source: u8, middle: u32) -> Vec<u8> {
    let mut report = vec![0x80, 200, 0, 6, 0, 0, 0, source, 0, 0];
    report.extend(middle.to_be_bytes());
    report.extend([0; 14]);
    report
}

/// RFC 3550 §6.4.2: a receiver report with one block, which answers the sender report of that time at once.
fn receiver_report(source: u8, middle: u32) -> Vec<u8> {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, source, 0, 0, 0, 1 - source];
    report.extend([0; 12]);
    report.extend(middle.to_be_bytes());
    report.extend([0; 4]);
    report
}

/// What the collector has of this kind, between any two sockets in order.
fn told(all: Vec<Datagram>) -> BTreeMap<(SocketAddr, SocketAddr), Vec<String>> {
    let mut flows: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (from, to, bytes) in once(&all) {
        flows.entry((from, to)).or_default().push(bytes.escape_ascii().to_string());
    }
    flows
}

fn is_media(datagram: &Datagram) -> bool {
    datagram.2[0] >> 6 == 2
}

#[test]
fn a_call_is_measured_captured_recorded_and_told_to_a_collector() {
    for (range, sides) in ["22000-22099", "22100-22199", "22200-22299"].into_iter().zip(SIDES) {
        let data = TempDir::new().unwrap();
        let collector = UdpSocket::bind("[::1]:0").unwrap();
        collector.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let hep = collector.local_addr().unwrap().to_string();
        let (mut plane, mut talk) = stage(data.path(), sides, &["--rtp", range, "--hep", &hep], |_| {});
        talk.begin(&mut plane, "walk");
        talk.speak_by(&mut plane, 30, 8, voice);
        // One packet of the originator is lost, and two of the terminator come in the wrong order.
        talk.passes(&mut plane, MEDIA, 0, &packet(32, 8, 0, &voice(0, 32)));
        for number in [32, 31] {
            talk.passes(&mut plane, MEDIA, 1, &packet(number, 8, 1, &voice(1, number)));
        }
        let asked = Instant::now();
        talk.passes(&mut plane, REPORTS, 0, &sender_report(0, 0xABCD_0123));
        talk.passes(&mut plane, REPORTS, 1, &receiver_report(1, 0xABCD_0123));
        let rtt_us_max = asked.elapsed().as_micros() as u32;
        assert_eq!(row(&mut plane).stays.contains(&"families".to_owned()), sides[0] != sides[1]);
        talk.end(&mut plane);

        let cdr = record(&mut plane, data.path(), "walk");
        let media = [cdr.ingress_media, cdr.egress_media];
        let counted = media.map(|media| (media.packets, media.lost, media.reordered, media.strangers));
        assert_eq!(counted, [(31, 1, 0, 0), (32, 0, 1, 0)], "{sides:?}: {media:?}");
        assert_eq!(media.map(|media| media.bytes), [31 * 172, 32 * 172]);
        assert!((1..=rtt_us_max).contains(&cdr.egress_media.rtt_us), "{sides:?}: {media:?}, {rtt_us_max} at most");
        assert!(media.iter().all(|media| media.mos_x100 > 300), "{sides:?}: {media:?}");

        let heard = collected(&mut plane, &collector);
        let of = |kind: u8| heard.iter().filter(move |chunks| chunks[&11] == [kind]);
        let logged = |wanted: fn(&Datagram) -> bool| told(talk.log.iter().filter(|of| wanted(of)).cloned().collect());
        assert_eq!(told(of(1).map(datagram).collect()), logged(|of| !is_media(of)));
        assert_eq!(told(of(5).map(datagram).collect()), logged(|of| is_media(of) && of.2[1] >= 200));
        for (chunks, packets) in of(35).zip([31, 32]) {
            let report: serde_json::Value = serde_json::from_slice(&chunks[&15]).unwrap();
            assert_eq!(report["TOTAL_PK"].as_u64(), Some(packets), "{report}");
        }

        let (captured, _) = capture(&file(&mut plane, &data.path().join("captures"), ".pcapng"));
        same(&captured, &talk.log);
        let wav = file(&mut plane, &data.path().join("recordings"), ".wav");
        for side in [0, 1] {
            let said: Vec<u8> = (1..=30).flat_map(|number| voice(side, number)).collect();
            let (begin, heard) = (begins(&wav, side + 1), sox(&wav, side + 1, &A_LAW));
            assert_eq!(heard[begin..begin + said.len()], said, "{sides:?}: side {side}");
        }
    }
}

/// RFC 8866 §5.7: the connection address of a media line goes before that of the whole description.
#[test]
fn voice_is_met_in_the_family_of_its_media_line() {
    let sides = [[FOUR, FOUR], [FOUR, SIX], [SIX, FOUR], [SIX, SIX]];
    for (range, sides) in ["22900-22999", "23000-23099", "23100-23199", "23200-23299"].into_iter().zip(sides) {
        let data = TempDir::new().unwrap();
        let (mut plane, mut talk) = stage(data.path(), sides, &["--rtp", range], |talk| talk.mixes(0));
        talk.begin(&mut plane, "mixed");
        let met = talk.media_ports().map(|ours| ours.ip().to_string());
        assert_eq!(met, [if sides[0] == FOUR { SIX } else { FOUR }, sides[1]]);
        talk.speak(&mut plane, 10);
        talk.passes(&mut plane, REPORTS, 0, &sender_report(0, 7));
        talk.passes(&mut plane, REPORTS, 1, &receiver_report(1, 7));
        talk.end(&mut plane);
        let cdr = record(&mut plane, data.path(), "mixed");
        let counted = [cdr.ingress_media, cdr.egress_media].map(|media| (media.packets, media.lost, media.strangers));
        assert_eq!(counted, [(10, 0, 0); 2], "{sides:?}");
        assert!(cdr.egress_media.rtt_us > 0, "{sides:?}");
    }
}

#[test]
fn media_from_behind_a_nat_is_heard_and_nobody_else_is() {
    for (range, sides) in ["22300-22399", "22400-22499", "22500-22599"].into_iter().zip(SIDES) {
        let data = TempDir::new().unwrap();
        let muxed = |talk: &mut Talk| talk.more = "a=rtcp-mux\r\n";
        let (mut plane, mut talk) = stage(data.path(), sides, &["--rtp", range], muxed);
        talk.begin(&mut plane, "nat");
        let both_mux = talk.log.iter().filter(|(_, _, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            text.contains("CSeq: 1 INVITE") && text.contains("m=audio ") && text.contains("a=rtcp-mux")
        });
        assert!(both_mux.count() >= 4, "each side offers to share a port, and hears that the other one does");
        // A NAT moved the port; the first who speaks from the named address's neighbourhood is believed.
        talk.moves(0);
        talk.speak(&mut plane, 5);
        talk.passes(&mut plane, MEDIA, 0, &sender_report(0, 7));
        talk.passes(&mut plane, MEDIA, 1, &receiver_report(1, 7));
        // Whoever comes after that is a stranger, and so is an address of the other family.
        let strangers = [FOUR, SIX].map(|ip| UdpSocket::bind((ip, 0)).unwrap());
        let heard_from = talk.media_ports();
        let mut sent = [0_u32; 2];
        for (side, ours) in heard_from.into_iter().enumerate() {
            for stranger in
                strangers.iter().filter(|stranger| stranger.local_addr().unwrap().is_ipv4() == ours.is_ipv4())
            {
                for said in [packet(9, 8, 66, &[0; 160]), sender_report(66, 9)] {
                    stranger.send_to(&said, ours).unwrap();
                    sent[side] += 1;
                }
            }
        }
        talk.speak(&mut plane, 5);
        talk.end(&mut plane);
        let cdr = record(&mut plane, data.path(), "nat");
        let media = [cdr.ingress_media, cdr.egress_media];
        let counted = media.map(|media| (media.packets, media.lost, media.strangers));
        assert_eq!(counted, sent.map(|strangers| (10, 0, strangers)), "{sides:?}: {media:?}");
        assert!(cdr.egress_media.rtt_us > 0, "{sides:?}: {media:?}");
        assert_eq!(counter(&mut plane, "media_dropped"), u64::from(sent[0] + sent[1]));
    }
}

#[test]
fn a_call_whose_voice_is_gone_ends_though_both_sides_still_report_and_say_what_nobody_described() {
    for (range, sides) in ["22600-22699", "22700-22799", "22800-22899"].into_iter().zip(SIDES) {
        let data = TempDir::new().unwrap();
        let furnish = |talk: &mut Talk| talk.silence_s = 2;
        let (mut plane, mut talk) = stage(data.path(), sides, &["--rtp", range], furnish);
        talk.begin(&mut plane, "gone");
        talk.speak(&mut plane, 5);
        let deadline = Instant::now() + PATIENCE;
        while !talk.is_being_ended() {
            assert!(Instant::now() < deadline, "{sides:?}: the call ends");
            for side in [0, 1] {
                talk.says(REPORTS, side, &sender_report(side as u8, 1));
                talk.says(MEDIA, side, &packet(6, 77, side as u8, &[0; 160]));
            }
            plane.serve();
        }
        talk.ended(&mut plane);
        let cdr = record(&mut plane, data.path(), "gone");
        assert_eq!((cdr.cause, cdr.ingress_media.packets), (Cause::MEDIA_TIMEOUT, 5), "{sides:?}");
        assert!(counter(&mut plane, "media_undescribed") > 0, "{sides:?}");
        assert!(cdr.duration_ms >= 2_000, "{sides:?}: {} ms", cdr.duration_ms);
    }
}
