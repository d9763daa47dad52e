//! Third-party call control (3PCC): SIPp and ours play the two halves, and the several parts, of the same calls.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/beside.rs"]
mod beside;
#[path = "../../dataplane/tests/support/ports.rs"]
mod ports;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use beside::*;
use ports::free_port;

const PAIRS: [[&str; 2]; 4] = [["sipp", "sipp"], [OURS, "sipp"], ["sipp", OURS], [OURS, OURS]];

fn write(folder: &Path, name: &str, steps: &str) {
    let text = format!("<?xml version=\"1.0\"?>\n<scenario name=\"{name}\">\n{steps}\n</scenario>\n");
    std::fs::write(folder.join(format!("{name}.xml")), text).unwrap();
}

fn says(attributes: &str, lines: &str) -> String {
    format!("<sendCmd {attributes}><![CDATA[\n  Call-ID: [call_id]\n{lines}\n\n]]></sendCmd>\n")
}

fn hears(attributes: &str, actions: &str) -> String {
    format!("<recvCmd {attributes}><action>{actions}</action></recvCmd>\n")
}

/// Who answers what the programs ask: takes whole calls.
fn answers(folder: &Path, name: &str) -> (Running, String) {
    let at = free_port();
    let side = start(OURS, folder, &["-sn", name, "-p", &at.to_string()]);
    listens(at, false);
    (side, format!("127.0.0.1:{at}"))
}

fn read(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap_or_default()
}

#[test]
fn two_controllers_join_two_sides_whichever_of_them_is_ours() {
    let patient = |folder: &Path, program: &str, name: &str| built_in(program, folder, name, &[MORE_PATIENT]);
    for [first, second] in PAIRS {
        let folder = tempfile::tempdir().unwrap();
        let (path, commands) = (folder.path(), free_port());
        let sides = [("3pcc-A", first), ("3pcc-B", second)].map(|(name, program)| {
            let at = free_port();
            let said = ["-trace_msg", "-message_file", name];
            let side = start(program, path, &[&["-sn", name, "-p", &at.to_string(), "-m", "20"][..], &said].concat());
            listens(at, false);
            (side, format!("127.0.0.1:{at}"))
        });
        let twin = format!("127.0.0.1:{commands}");
        let b = patient(path, second, "3pcc-C-B");
        let words =
            ["-sf", &b, "-3pcc", &twin, &sides[1].1, "-m", "20", "-p", &free_port().to_string()].map(str::to_owned);
        let mut follows = start(second, path, &words.each_ref().map(String::as_str));
        listens(commands, true);
        let a = patient(path, first, "3pcc-C-A");
        let own = free_port().to_string();
        let told = ["-trace_err", "-error_file", "errors", "-timeout", "300", "-trace_stat", "-stf", "leads.csv"];
        let words = ["-sf", &a, "-3pcc", &twin, &sides[0].1, "-m", "20", "-r", "50", "-p", &own];
        succeeds(first, path, &[&words[..], &told].concat());
        assert!(follows.0.wait().unwrap().success(), "{first} {second}: the second controller");
        assert_eq!(last_row(&path.join("leads.csv"))["SuccessfulCall(C)"], "20", "{first} {second}");
        let [mut one, mut other] = sides.map(|(side, _)| side);
        assert!(one.0.wait().unwrap().success() && other.0.wait().unwrap().success(), "{first} {second}: the sides");
        // Each side hears the other's media address: the first in ACK, the second in INVITE.
        let (at_a, at_b) = (read(path, "3pcc-A"), read(path, "3pcc-B"));
        let port = |text: &str, from: &str| {
            let text = text.split_once(from).unwrap_or_else(|| panic!("{from} in {text}")).1;
            text.split_once("m=audio ").unwrap().1.split(' ').next().unwrap().to_owned()
        };
        assert_eq!(port(&at_a, "ACK sip:"), port(&at_b, "SIP/2.0 200 OK"), "{first} {second}: the answer");
        assert_eq!(port(&at_b, "INVITE sip:"), port(&at_a, "SIP/2.0 200 OK"), "{first} {second}: the offer");
    }
}

/// Takes one connection, hears one command, and says what this makes of the call's first line; then whatever comes until the other side ends.
fn twin(says: fn(&str) -> String) -> (u16, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        while !heard.contains(&0x1b) {
            let mut bytes = [0; 1_000];
            let length = stream.read(&mut bytes).unwrap();
            assert!(length > 0, "a command comes");
            heard.extend_from_slice(&bytes[..length]);
        }
        let text = String::from_utf8(heard).unwrap();
        let first = text.lines().next().unwrap();
        stream.write_all(says(first).as_bytes()).unwrap();
        let mut rest = String::new();
        let _ = stream.read_to_string(&mut rest);
        text.replace(first.split_once(": ").unwrap().1, "ID") + &rest
    });
    (port, told)
}

#[test]
fn a_command_is_read_matched_and_refused_as_sipp_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let reads = "<ereg regexp=\"x: (.*)\" search_in=\"msg\" assign_to=\"all,rest\"/><log message=\"[$all]|[$rest]|[last_To:]\"/>";
    let call = format!(
        "{}<recv response=\"200\"/>\n{}{}",
        asks("OPTIONS", "[cseq]", "retrans=\"20000\""),
        says("", "  From: A\n  one: [last_To:]"),
        hears("ontimeout=\"late\"", reads)
    );
    write(path, "leads", &format!("{call}<label id=\"late\"/><nop><action><log message=\"on\"/></action></nop>"));
    write(path, "waits", &format!("{call}<nop><action><log message=\"on\"/></action></nop><label id=\"late\"/>"));
    write(path, "strict", &call.replace(" ontimeout=\"late\"", ""));
    let (_side, to) = answers(path, "ooc_default");
    type Says = fn(&str) -> String;
    let cases: [(&str, &str, Says, i32); 6] = [
        ("leads", "", |id| format!("{id}\r\nx: hello\r\nmore\r\n\r\n\r\n\u{1b}"), 0),
        (
            "leads",
            "",
            |id| format!("{}\r\ninternal-cmd: abort_call\r\n\r\n\u{1b}", id.replace("Call-ID", "call-id")),
            1,
        ),
        (
            "leads",
            "",
            |id| format!("Call-ID: waltz\r\nx: no\r\n\r\n\u{1b}x: none\r\n\r\n\u{1b}{id}\r\nx: yes\r\n\r\n\u{1b}"),
            0,
        ),
        ("leads", "300", |_| String::new(), 0),
        ("strict", "300", |_| String::new(), 1),
        ("waits", "300", |_| String::new(), 1),
    ];
    for (number, (file, patience, says, wanted)) in cases.into_iter().enumerate() {
        let [theirs, ours] = ["sipp", OURS].map(|program| {
            let (port, twin) = twin(says);
            let _ = std::fs::remove_file(path.join("logs"));
            let (file, at) = (format!("{file}.xml"), format!("127.0.0.1:{port}"));
            let mut words = vec!["-sf", &file, "-3pcc", &at, &to, "-m", "1", "-trace_logs", "-log_file", "logs"];
            words.extend(if patience.is_empty() { vec![] } else { vec!["-recv_timeout", patience] });
            let own = free_port().to_string();
            words.extend(["-p", &own]);
            let output = finish(program, path, &words);
            (output.status.code(), read(path, "logs"), twin.join().unwrap())
        });
        assert_eq!(ours, theirs, "case {number}");
        assert_eq!(ours.0, Some(wanted), "case {number}: {ours:?}");
    }
}

#[test]
fn a_call_that_goes_wrong_ends_at_the_other_program_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let ask = asks("OPTIONS", "[cseq]", "retrans=\"20000\"");
    write(path, "leads", &format!("{}{ask}<recv response=\"404\"/>", says("", "  x: 1")));
    let (_side, to) = answers(path, "ooc_default");
    for program in ["sipp", OURS] {
        let (port, twin) = twin(|_| String::new());
        let at = format!("127.0.0.1:{port}");
        let output =
            finish(program, path, &["-sf", "leads.xml", "-3pcc", &at, &to, "-m", "1", "-p", &free_port().to_string()]);
        assert_eq!(output.status.code(), Some(1), "{program}");
        let told = twin.join().unwrap();
        assert!(told.to_lowercase().contains("internal-cmd: abort_call\r\n"), "{program}: {told}");
    }
}

#[test]
fn who_waits_for_a_program_that_has_gone_fails_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let ask = asks("OPTIONS", "[cseq]", "retrans=\"20000\"");
    write(path, "leads", &format!("{ask}<recv response=\"200\"/>\n{}{}", says("", "  x: 1"), hears("", "")));
    write(path, "follows", &format!("{}{ask}<recv response=\"200\"/>{}", hears("", ""), hears("", "")));
    let (_side, to) = answers(path, "ooc_default");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let leads = start(OURS, path, &["-sf", "leads.xml", "-3pcc", &at, &to, "-m", "3"]);
    let (mut stream, _) = listener.accept().unwrap();
    assert!(stream.read(&mut [0; 10]).unwrap() > 0);
    drop((stream, listener));
    let mut leads = leads;
    assert_eq!(leads.0.wait().unwrap().code(), Some(1));
    let port = free_port();
    let at = format!("127.0.0.1:{port}");
    let mut follows = start(OURS, path, &["-sf", "follows.xml", "-3pcc", &at, &to]);
    listens(port, true);
    let mut stream = TcpStream::connect(&at).unwrap();
    stream.write_all(b"Call-ID: one\r\n\r\n\x1b").unwrap();
    drop(stream);
    assert_eq!(follows.0.wait().unwrap().code(), Some(1), "its call waits for a second command");
    for (words, wanted) in [
        (&["-sf", "leads.xml", "-3pcc", "127.0.0.1:9"][..], "does not answer"),
        (&["-sf", "leads.xml"], "no other program is named: -3pcc"),
        (&["-sf", "leads.xml", "-3pcc", "192.0.2.1:9"], "-allow_target"),
        (&["-sf", "leads.xml", "-slave", "a", "-slave_cfg", "t"], "that is -master"),
        (&["-sf", "follows.xml", "-master", "a", "-slave_cfg", "t"], "that is -slave"),
        (&["-sf", "leads.xml", "-master", "a"], "-slave_cfg FILE"),
        (&["-sf", "leads.xml", "-master", "a", "-3pcc", "127.0.0.1:9"], "not both"),
        (&["-sn", "uac", "-3pcc", "127.0.0.1:9"], "neither sendCmd nor recvCmd"),
    ] {
        let output = finish(OURS, path, &[words, &[to.as_str(), "-m", "1"]].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(255) && told.contains(wanted), "{words:?}: {} {told}", output.status);
    }
    std::fs::write(path.join("t"), "a;127.0.0.1:9\n").unwrap();
    let words = ["-sf", "leads.xml", "-master", "a", "-slave_cfg", "t", &to, "-m", "1"];
    let told = String::from_utf8(finish(OURS, path, &words).stderr).unwrap();
    assert!(told.contains("<sendCmd> wants dest"), "{told}");
}

#[test]
fn several_programs_hand_a_call_round_whichever_of_them_are_ours() {
    let part = |from: &str, own: &str, to: &str| {
        let reads = "<ereg regexp=\"one: (.*)\" search_in=\"msg\" assign_to=\"all,rest\"/>";
        format!(
            "{}{}<recv response=\"200\"/>\n{}<Reference variables=\"all\"/>",
            hears(&format!("src=\"{from}\""), reads),
            asks("OPTIONS", "[cseq]", "retrans=\"20000\""),
            says(&format!("dest=\"{to}\""), &format!("  From: {own}\n  one: [$rest] {own}"))
        )
    };
    for [leads, first, second] in
        [["sipp"; 3], [OURS; 3], [OURS, "sipp", OURS], ["sipp", OURS, "sipp"], [OURS, OURS, "sipp"]]
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // All of them play the same Call-ID, each to somebody else.
        let sides = [0; 3].map(|_| answers(path, "ooc_default"));
        let [to_ann, to_bob, to] = sides.each_ref().map(|(_, to)| to);
        let reads = "<ereg regexp=\"one: .*\" search_in=\"msg\" assign_to=\"all\"/><log message=\"[$all]\"/>";
        let ask = asks("OPTIONS", "[cseq]", "retrans=\"20000\"");
        let says = says("dest=\"ann\"", "  From: joe\n  one: joe");
        write(path, "joe", &format!("{ask}<recv response=\"200\"/>\n{says}{}", hears("src=\"bob\"", reads)));
        write(path, "ann", &part("joe", "ann", "bob"));
        write(path, "bob", &part("ann", "bob", "joe"));
        let ports = [free_port(), free_port(), free_port()];
        let table = |ports: [u16; 3]| {
            format!("ann;127.0.0.1:{}\nbob;127.0.0.1:{}\njoe;127.0.0.1:{}\n", ports[0], ports[1], ports[2])
        };
        std::fs::write(path.join("table"), table(ports)).unwrap();
        let followers =
            [("ann", first, ports[0], to_ann), ("bob", second, ports[1], to_bob)].map(|(name, program, port, to)| {
                let (file, own) = (format!("{name}.xml"), free_port().to_string());
                let program =
                    start(program, path, &["-sf", &file, "-slave", name, "-slave_cfg", "table", to, "-p", &own]);
                listens(port, true);
                program
            });
        let own = free_port().to_string();
        let words = ["-sf", "joe.xml", "-master", "joe", "-slave_cfg", "table", to, "-m", "5", "-p", &own];
        let told = ["-trace_err", "-error_file", "errors", "-timeout", "300", "-trace_logs", "-log_file", "logs"];
        succeeds(leads, path, &[&words[..], &told].concat());
        assert_eq!(read(path, "logs"), "one: joe ann bob\n".repeat(5), "{leads} {first} {second}");
        // They end because who led is gone; SIPp does so in more than one way.
        for (mut follower, program) in followers.into_iter().zip([first, second]) {
            let status = follower.0.wait().unwrap();
            assert!(program == "sipp" || status.success(), "{leads} {first} {second}: {status}");
        }
    }
    let told = Command::new(OURS).args(["sipp", "-h"]).output().unwrap();
    assert!(String::from_utf8(told.stdout).unwrap().contains("-slave_cfg"));
}
