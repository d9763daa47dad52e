//! SIPp's own scenarios, as the installed program prints them, and SIPp at the other end of thousands of calls.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/beside.rs"]
mod beside;
#[path = "../../dataplane/tests/support/ports.rs"]
mod ports;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use beside::*;
use ports::free_port;

#[test]
fn every_scenario_of_sipps_is_supported() {
    let folder = tempfile::tempdir().unwrap();
    let control = ["3pcc-C-A", "3pcc-C-B", "3pcc-A", "3pcc-B"];
    for name in ["uac", "uas", "regexp", "branchc", "branchs", "uac_pcap", "ooc_default"].into_iter().chain(control) {
        let (fine, told) = lint(folder.path(), &sipps(folder.path(), name, &[]));
        assert!(fine && !told.contains("refused") && !told.contains("differs"), "{name}: {told}");
    }
}

#[test]
fn what_is_unknown_is_refused_with_its_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let text = "<?xml version=\"1.0\"?>\n<scenario>\n  <recv request=\"INVITE\" colour=\"red\"/>\n  <dance/>\n  <send next=\"9\"><![CDATA[\n\
                \n    SIP/2.0 200 OK\n    X: [wisdom]\n  ]]></send>\n  <nop><action><exec command=\"rm\"/></action></nop>\n</scenario>\n";
    std::fs::write(folder.path().join("wrong.xml"), text).unwrap();
    let (fine, told) = lint(folder.path(), "wrong.xml");
    assert!(!fine);
    for wanted in ["wrong.xml:3:26: ", "wrong.xml:4:3: ", "wrong.xml:5:9: ", "wrong.xml:8:8: ", "wrong.xml:10:16: "] {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    for wanted in ["colour", "<dance>", "label", "[wisdom]", "starts no programs"] {
        assert!(told.contains(wanted), "{wanted} in {told}");
    }
    let played = finish(OURS, folder.path(), &["-sf", "wrong.xml"]);
    assert_eq!(played.status.code(), Some(1));
}

#[test]
fn two_thousand_calls_of_ours_are_taken_by_sipp_and_its_columns_are_ours() {
    let folder = tempfile::tempdir().unwrap();
    let at = free_port();
    let uas = sipps(folder.path(), "uas", &[PATIENT, LONG_MEMORY]);
    let sipp = ["-sf", &uas, "-p", &at.to_string(), "-trace_stat", "-stf", "theirs.csv"];
    let _callee = start("sipp", folder.path(), &[&sipp[..], &BUFFERS].concat());
    listens(at, false);
    let file = sipps(folder.path(), "uac", &[MORE_PATIENT]);
    let to = format!("127.0.0.1:{at}");
    let words = ["-sf", &file, &to, "-m", "2000", "-r", "500", "-d", "20", "-trace_err", "-error_file", "errors"];
    succeeds(OURS, folder.path(), &[&words[..], &["-trace_stat", "-stf", "ours.csv", "-timeout", "300"]].concat());
    let row = last_row(&folder.path().join("ours.csv"));
    for (column, wanted) in
        [("SuccessfulCall(C)", "2000"), ("FailedCall(C)", "0"), ("CurrentCall", "0"), ("OutgoingCall(C)", "2000")]
    {
        assert_eq!(row[column], wanted, "{column}");
    }
    let heads = ["ours.csv", "theirs.csv"].map(|file| {
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        text.lines().next().unwrap().to_owned()
    });
    assert_eq!(heads[0], heads[1], "the same columns in the same order");
}

#[test]
fn two_thousand_calls_of_sipps_are_taken_by_ours() {
    let folder = tempfile::tempdir().unwrap();
    let at = free_port();
    let uas = sipps(folder.path(), "uas", &[PATIENT, LONG_MEMORY]);
    let uac = sipps(folder.path(), "uac", &[MORE_PATIENT]);
    let ours = ["-sf", &uas, "-p", &at.to_string(), "-trace_stat", "-stf", "ours.csv", "-fd", "1"];
    let mut callee = start(OURS, folder.path(), &ours);
    listens(at, false);
    let words = ["-sf", &uac, &format!("127.0.0.1:{at}"), "-m", "2000", "-r", "500", "-d", "20", "-timeout", "300"];
    let told = ["-trace_err", "-error_file", "errors"];
    succeeds("sipp", folder.path(), &[&words[..], &BUFFERS, &told].concat());
    // What only lingers, in case its last answer was lost, has gone well.
    assert!(Command::new("kill").args(["-TERM", &callee.0.id().to_string()]).status().unwrap().success());
    let status = callee.0.wait().unwrap();
    assert!(status.success(), "{status}");
    assert_eq!(last_row(&folder.path().join("ours.csv"))["SuccessfulCall(C)"], "2000");
}

#[test]
fn expressions_and_branches_do_what_sipp_does_with_them_over_tcp_too() {
    let folder = tempfile::tempdir().unwrap();
    let short = ("milliseconds = \"1000\"", "milliseconds=\"10\"");
    let regexp = sipps(folder.path(), "regexp", &[short]);
    let quick = [("milliseconds=\"4000\"", "milliseconds=\"1\"")];
    let (branchs, uas) = (sipps(folder.path(), "branchs", &quick), sipps(folder.path(), "uas", &quick));
    let branchc = sipps(folder.path(), "branchc", &[quick[0], ("milliseconds=\"5000\"", "milliseconds=\"10\"")]);
    for (callee, taking, caller, calling, transport) in [
        ("sipp", &uas, OURS, &regexp, "t1"),
        (OURS, &branchs, "sipp", &branchc, "u1"),
        (OURS, &uas, OURS, &regexp, "tn"),
    ] {
        let at = free_port();
        let taker = start(callee, folder.path(), &["-sf", taking, "-p", &at.to_string(), "-t", transport]);
        listens(at, transport != "u1");
        let to = format!("127.0.0.1:{at}");
        let words = ["-sf", calling, &to, "-m", "60", "-r", "100", "-t", transport, "-timeout", "30"];
        succeeds(caller, folder.path(), &[&words[..], &["-trace_err", "-error_file", "errors"]].concat());
        drop(taker);
    }
}

/// A certificate that vouches for itself, and its key, as options; and the certificate's file.
fn proof(folder: &Path, name: &str) -> (Vec<String>, String) {
    let [cert, key] = ["crt", "key"].map(|end| folder.join(format!("{name}.{end}")).display().to_string());
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-subj", &format!("/CN={name}")]);
    let made = openssl.args(["-keyout", &key, "-out", &cert]).stderr(Stdio::null()).status();
    assert!(made.expect("openssl is installed").success());
    (["-tls_cert", &cert, "-tls_key", &key].map(str::to_owned).into(), cert)
}

#[test]
fn calls_over_tls_need_who_vouches_for_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let [(caller, caller_ca), (callee, callee_ca)] = ["a", "b"].map(|name| proof(folder.path(), name));
    let at = free_port();
    let taking =
        [&["-sn", "uas", "-t", "l1", "-p", &at.to_string(), "-tls_ca", &caller_ca].map(str::to_owned)[..], &callee]
            .concat();
    let _callee = start(OURS, folder.path(), &taking.iter().map(String::as_str).collect::<Vec<_>>());
    listens(at, true);
    let to = format!("127.0.0.1:{at}");
    for (transport, ca, own, wanted) in [
        ("l1", Some(&callee_ca), &caller[..], 0),
        ("ln", None, &caller, 0),
        // The other side is not who we believe, and does not believe us.
        ("l1", Some(&caller_ca), &caller, 1),
        ("ln", None, &callee, 1),
        ("l1", None, &[], 1),
    ] {
        let mut words = vec!["-sn", "uac", &to, "-m", "30", "-r", "200", "-t", transport, "-timeout", "30"];
        words.extend(["-error_file", "errors"]);
        words.extend(ca.iter().flat_map(|ca| ["-tls_ca", ca.as_str()]));
        words.extend(own.iter().map(String::as_str));
        let output = finish(OURS, folder.path(), &words);
        let errors = std::fs::read_to_string(folder.path().join("errors")).unwrap_or_default();
        assert_eq!(output.status.code(), Some(wanted), "{transport} {ca:?}: {errors}");
        assert_eq!(errors.contains("TLS: "), wanted == 1, "{transport} {ca:?}: {errors}");
        let _ = std::fs::remove_file(folder.path().join("errors"));
    }
}

#[test]
fn openssl_is_answered_over_tls_of_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let (own, ca) = proof(folder.path(), "a");
    let text = "<?xml version=\"1.0\"?><scenario><recv request=\"OPTIONS\"/><send><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n\
                [last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send></scenario>";
    std::fs::write(folder.path().join("options.xml"), text).unwrap();
    let at = free_port();
    let taking = ["-sf", "options.xml", "-t", "l1", "-p", &at.to_string()].map(str::to_owned);
    let taking = [&taking[..], &own].concat();
    let _callee = start(OURS, folder.path(), &taking.iter().map(String::as_str).collect::<Vec<_>>());
    listens(at, true);
    for version in ["-tls1_2", "-tls1_3"] {
        let mut openssl = Command::new("openssl");
        openssl.args(["s_client", "-quiet", "-verify_return_error", version, "-CAfile", &ca]);
        openssl.args(["-connect", &format!("127.0.0.1:{at}")]);
        let mut asking = Running(openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
        let message = format!(
            "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK{version}\r\nFrom: <sip:b@c>;tag=1\r\n\
             To: <sip:a@c>\r\nCall-ID: {version}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        asking.0.stdin.as_mut().unwrap().write_all(message.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(asking.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "SIP/2.0 200 OK\r\n", "{version}");
    }
}

#[test]
fn calls_take_their_lines_of_a_file_and_a_failed_expression_fails_the_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.csv"), "SEQUENTIAL\nann;first\nbob;second\n").unwrap();
    let at = free_port();
    let uac = sipps(folder.path(), "uac", &[FIELD, ("Subject: Performance Test", "Subject: [field1]")]);
    let fits = "<recv request=\"INVITE\" crlf=\"true\"><action><ereg regexp=\"first|second\" search_in=\"hdr\" header=\"Subject:\" check_it=\"true\" assign_to=\"1\"/>\
                <ereg regexp=\"INVITE sip:(ann|bob)@\" search_in=\"msg\" check_it=\"true\" assign_to=\"2\"/></action>";
    let changes = [("<recv request=\"INVITE\" crlf=\"true\">", fits), ("milliseconds=\"4000\"", "milliseconds=\"1\"")];
    let uas = sipps(folder.path(), "uas", &changes);
    for (calls, wanted) in [("users.csv", 0), ("others.csv", 1)] {
        std::fs::write(folder.path().join("others.csv"), "RANDOM\neve;third\n").unwrap();
        let mut callee = start(OURS, folder.path(), &["-sf", &uas, "-p", &at.to_string(), "-m", "20"]);
        listens(at, false);
        let to = format!("127.0.0.1:{at}");
        succeeds(OURS, folder.path(), &["-sf", &uac, &to, "-m", "20", "-r", "200", "-inf", calls, "-timeout", "30"]);
        assert_eq!(callee.0.wait().unwrap().code(), Some(wanted), "{calls}");
    }
}

#[test]
fn a_run_is_led_by_datagrams_to_its_control_port() {
    let folder = tempfile::tempdir().unwrap();
    let (at, control) = (free_port(), free_port());
    let (to, hand) = (format!("127.0.0.1:{at}"), control.to_string());
    let _callee = start("sipp", folder.path(), &["-sn", "uas", "-p", &at.to_string()]);
    listens(at, false);
    let words = ["-sn", "uac", &to, "-r", "5", "-cp", &hand, "-trace_stat", "-stf", "rows.csv", "-timeout", "60"];
    let words = [&words[..], &["-trace_err", "-error_file", "errors"]].concat();
    let mut caller = start(OURS, folder.path(), &words);
    listens(control, false);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for order in ["*", "+", "p", "p", "cset limit 50", "/", "cset rate-scale 2", "cset tempo 9", "+", "waltz", "q"] {
        socket.send_to(order.as_bytes(), ("127.0.0.1", control)).unwrap();
    }
    let status = caller.0.wait().unwrap();
    assert!(matches!(status.code(), Some(0 | 99)), "all calls were good, if there were any: {status}");
    let row = last_row(&folder.path().join("rows.csv"));
    assert_eq!((row["TargetRate"].as_str(), row["Warnings(C)"].as_str()), ("8", "2"));
    let errors = std::fs::read_to_string(folder.path().join("errors")).unwrap();
    assert!(["'cset tempo 9' is no order", "'waltz' is no order"].iter().all(|told| errors.contains(told)), "{errors}");
}

#[test]
fn users_of_a_file_call_sipp_over_ipv6_from_the_background() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.csv"), "USER\nann\nbob\ncid\n").unwrap();
    let at = free_port();
    let quick = ("milliseconds=\"4000\"", "milliseconds=\"1\"");
    let (uas, uac) = (sipps(folder.path(), "uas", &[quick]), sipps(folder.path(), "uac", &[FIELD]));
    let taking = ["-sf", &uas, "-i", "::1", "-p", &at.to_string(), "-m", "12", "-trace_msg", "-message_file", "heard"];
    let mut callee = start("sipp", folder.path(), &taking);
    listens_by(at, "udp6");
    let to = format!("[::1]:{at}");
    let words = ["-sf", &uac, &to, "-i", "[::1]", "-users", "3", "-inf", "users.csv", "-m", "12", "-bg"];
    let output = finish(OURS, folder.path(), &words);
    assert_eq!(output.status.code(), Some(99), "as SIPp says when it goes to the background");
    assert!(callee.0.wait().unwrap().success());
    let heard = std::fs::read_to_string(folder.path().join("heard")).unwrap();
    for user in ["ann", "bob", "cid"] {
        assert!(heard.contains(&format!("INVITE sip:{user}@[::1]:{at} SIP/2.0")), "{user} in {heard}");
    }
}

#[test]
fn exit_codes_are_sipps() {
    let folder = tempfile::tempdir().unwrap();
    let (taken, nobody) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (busy, deaf) = (taken.local_addr().unwrap().port().to_string(), nobody.local_addr().unwrap().to_string());
    for (words, wanted) in [
        (&["-sn", "uas", "-p", &busy][..], 254),
        (&["-sn", "uas", "-timeout", "0.1"], 97),
        (&["-sn", "uas", "-timeout", "0.1", "-timeout_error"], 255),
        (&["-sn", "uac", &deaf, "-nr", "-recv_timeout", "50", "-m", "2"], 1),
        (&["-sn", "uac", &deaf, "-m", "0"], 99),
        (&["-sn", "uac", "192.0.2.1"], 255),
    ] {
        let output = finish(OURS, folder.path(), words);
        assert_eq!(output.status.code(), Some(wanted), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A scenario with a step that nobody knows, one with a label that is nowhere, and one that is no XML.
const BROKEN: [&str; 3] = [
    "<?xml version=\"1.0\"?>\n<scenario>\n<dance/>\n</scenario>\n",
    "<?xml version=\"1.0\"?>\n<scenario>\n<recv request=\"OPTIONS\"/>\n<nop next=\"9\"/>\n</scenario>\n",
    "scenario\n",
];

#[test]
fn words_and_scenarios_that_are_wrong_end_both_programs_with_the_same_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one_user.csv"), "USER\nann\n").unwrap();
    for (number, text) in BROKEN.into_iter().enumerate() {
        std::fs::write(folder.path().join(format!("broken{number}.xml")), text).unwrap();
    }
    for (words, wanted) in [
        (&["-sf", "none.xml"][..], 1),
        (&["-sf", "broken0.xml"], 1),
        (&["-sf", "broken1.xml"], 1),
        (&["-sf", "broken2.xml"], 1),
        (&["-sn", "waltz"], 1),
        (&["-sd", "waltz"], 1),
        (&["-colour"], 1),
        (&["-sn", "uac", "127.0.0.1", "-r", "much"], 1),
        (&["-sn", "uac", "127.0.0.1", "-inf", "none.csv"], 1),
        (&["-sn", "uac"], 255),
        (&["-sn", "uas", "-oocsn", "ooc_default"], 255),
        (&["-sn", "uac", "127.0.0.1:9", "-oocsn", "waltz"], 1),
        (&["-sn", "uac", "127.0.0.1:9", "-t", "ui"], 1),
        (&["-sn", "uac", "127.0.0.1:9", "-users", "3", "-inf", "one_user.csv"], 255),
        (&["-sn", "uac", "no.such.host.invalid"], 255),
        (&["-sd", "uac"], 99),
        (&["-h"], 99),
        (&["-v"], 99),
    ] {
        for program in ["sipp", OURS] {
            let output = finish(program, folder.path(), words);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(wanted), "{program} {words:?}: {told}");
        }
    }
}

#[test]
fn what_is_not_done_is_refused_by_its_name_and_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    for (words, named) in [
        (&["-sn", "waltz"][..], "'waltz' is not built in: uac, uas, regexp, branchc, branchs, uac_pcap, ooc_default"),
        (&["-plugin", "a.so"], "-plugin is not supported: no foreign code"),
        (&["-tdmmap", "{0}{1}{2}{3}"], "-tdmmap is not supported"),
        (&["-max_reconnect", "3"], "-max_reconnect is not supported"),
        (&["-t", "ui", "127.0.0.1"], "-t ui wants a file"),
        (&["-t", "u9"], "-t u9: want u1, un, ui,"),
        (&["-t", "s1"], "-t s1 is not supported: SCTP"),
        (&["-rp", "0"], "-rp must be at least 1 ms"),
        (&["-rtcheck", "tight"], "-rtcheck tight"),
        (&["-log_overwrite", "maybe"], "-log_overwrite maybe"),
        (&["-colour"], "unknown option '-colour'"),
    ] {
        let output = finish(OURS, folder.path(), words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && told.contains(named), "{words:?}: {} {told}", output.status);
    }
}

/// Built-in scenarios whose pauses are over soon.
const SHORT: &[(&str, &str)] = &[
    ("milliseconds=\"8000\"", "milliseconds=\"20\""),
    ("milliseconds=\"5000\"", "milliseconds=\"20\""),
    ("milliseconds=\"4000\"", "milliseconds=\"20\""),
    ("milliseconds=\"1000\"", "milliseconds=\"20\""),
    ("milliseconds = \"1000\"", "milliseconds=\"20\""),
    PATIENT,
];

#[test]
fn built_in_scenarios_and_sipps_take_each_others_calls() {
    let folder = tempfile::tempdir().unwrap();
    for (caller, calls, callee, takes, calls_made) in [
        (OURS, "uac", "sipp", "uas", "20"),
        (OURS, "regexp", "sipp", "uas", "20"),
        ("sipp", "regexp", OURS, "uas", "20"),
        // Of these some are refused and some answered, and the 25th does not pause.
        (OURS, "branchc", "sipp", "branchs", "30"),
        ("sipp", "branchc", OURS, "branchs", "30"),
        (OURS, "uac_pcap", "sipp", "uas", "3"),
    ] {
        let [calling, taking] = [(caller, calls), (callee, takes)].map(|(program, name)| {
            let file = built_in(program, folder.path(), name, &[]);
            let mut text = std::fs::read_to_string(folder.path().join(&file)).unwrap();
            SHORT.iter().for_each(|(from, to)| text = text.replace(from, to));
            std::fs::write(folder.path().join(&file), text).unwrap();
            file
        });
        let at = free_port();
        let taker = start(callee, folder.path(), &["-sf", &taking, "-p", &at.to_string()]);
        listens(at, false);
        let to = format!("127.0.0.1:{at}");
        let words = ["-sf", &calling, &to, "-m", calls_made, "-r", "100", "-timeout", "60"];
        succeeds(caller, folder.path(), &[&words[..], &["-trace_err", "-error_file", "errors"]].concat());
        drop(taker);
    }
    let at = free_port();
    std::fs::write(folder.path().join("asks.xml"), ASKS).unwrap();
    let _anything = start(OURS, folder.path(), &["-sn", "ooc_default", "-p", &at.to_string()]);
    listens(at, false);
    succeeds("sipp", folder.path(), &["-sf", "asks.xml", &format!("127.0.0.1:{at}"), "-m", "5", "-timeout", "60"]);
}

/// The cells of the screen's line that begins so, without blanks.
fn cells(screen: &str, name: &str) -> Vec<String> {
    let line = screen.lines().rfind(|line| line.trim_start().starts_with(name));
    line.unwrap_or_else(|| panic!("{name} in {screen}")).split('|').map(|cell| cell.trim().to_owned()).collect()
}

#[test]
fn scripts_that_read_sipps_files_read_ours() {
    let folder = tempfile::tempdir().unwrap();
    let at = free_port();
    let (uas, uac) = (sipps(folder.path(), "uas", &[PATIENT]), sipps(folder.path(), "uac", &[PATIENT]));
    let _callee = start(OURS, folder.path(), &["-sf", &uas, "-p", &at.to_string()]);
    listens(at, false);
    let to = format!("127.0.0.1:{at}");
    let found = ["sipp", OURS].map(|program| {
        let own = tempfile::tempdir().unwrap();
        std::fs::copy(folder.path().join(&uac), own.path().join(&uac)).unwrap();
        let words = ["-sf", &uac, &to, "-m", "3", "-timeout", "60", "-trace_counts", "-trace_error_codes"];
        let files = ["-trace_shortmsg", "-shortmessage_file", "short", "-trace_screen", "-screen_file", "screen"];
        succeeds(program, own.path(), &[&words[..], &files].concat());
        let read = |name: &str| std::fs::read_to_string(own.path().join(name)).unwrap();
        let ending = |end: &str| {
            let all = std::fs::read_dir(own.path()).unwrap().map(|file| file.unwrap().path());
            all.into_iter().find(|path| path.to_str().unwrap().ends_with(end)).unwrap_or_else(|| panic!("{end}"))
        };
        let counts = std::fs::read_to_string(ending("counts.csv")).unwrap();
        let head: Vec<String> = counts.lines().next().unwrap().split(';').map(str::to_owned).collect();
        let done = last_row(&ending("counts.csv"));
        // What was said again or late is the machine's, not the programs'.
        let done: BTreeMap<_, _> =
            done.into_iter().filter(|(name, _)| name.ends_with("_Sent") || name.ends_with("_Sessions")).collect();
        assert!(std::fs::read_to_string(ending("error_codes.csv")).unwrap().lines().count() >= 1);
        let lines = read("short");
        // Direction, CSeq and the first line; before them date, time and the moment, and between them the Call-ID.
        let said: std::collections::BTreeSet<Vec<String>> = lines
            .lines()
            .map(|line| line.split('\t').map(str::to_owned).collect::<Vec<_>>())
            .map(|cells| [&cells[3..4], &cells[5..]].concat())
            .collect();
        let screen = read("screen");
        let names =
            ["Outgoing calls created", "Total Calls created", "Current Calls", "Successful call", "Failed call"];
        let counted = names.map(|name| {
            let cells = cells(&screen, name);
            (cells.len(), cells[2].clone())
        });
        // Each message with its arrow.
        let steps: Vec<Vec<String>> = screen
            .lines()
            .filter(|line| line.contains(" ---------->") || line.contains(" <----------"))
            .map(|line| line.split_whitespace().take(2).map(str::to_owned).collect())
            .collect();
        (head, done, said, counted, steps)
    });
    let [theirs, ours] = found;
    assert_eq!(ours, theirs);
    assert_eq!(ours.3[0], (3, "3".to_owned()));
}

#[test]
fn a_file_that_is_not_to_be_overwritten_grows() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short"), "before\n").unwrap();
    for (overwrite, kept) in [("false", true), ("true", false)] {
        let words = ["-sn", "uac", "127.0.0.1:9", "-m", "1", "-nr", "-recv_timeout", "10", "-trace_shortmsg"];
        let more = ["-shortmessage_file", "short", "-shortmessage_overwrite", overwrite];
        let output = finish(OURS, folder.path(), &[&words[..], &more].concat());
        assert_eq!(output.status.code(), Some(1), "nobody answers there");
        let text = std::fs::read_to_string(folder.path().join("short")).unwrap();
        assert_eq!((text.starts_with("before\n"), text.contains("INVITE sip:")), (kept, true), "{text}");
    }
}

/// An answer to OPTIONS, and a label at the end to which who waits in vain jumps.
const WAITS_IN_VAIN: &str = "<?xml version=\"1.0\"?>\n<scenario name=\"waits\">\n<label id=\"1\"/>\n\
    <recv request=\"OPTIONS\" timeout=\"100\" ontimeout=\"2\"/>\n<send next=\"1\"><![CDATA[\n\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n\
    [last_To:];tag=[call_number]\n[last_Call-ID:]\n[last_CSeq:]\nContent-Length: 0\n\n]]></send>\n<label id=\"2\"/>\n</scenario>\n";
const ASKS: &str = "<?xml version=\"1.0\"?>\n<scenario name=\"asks\">\n<send retrans=\"500\"><![CDATA[\n\nOPTIONS sip:x@[remote_ip] SIP/2.0\n\
    Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nFrom: <sip:a@b>;tag=[call_number]\nTo: <sip:x@[remote_ip]>\n\
    Call-ID: [call_id]\nCSeq: 1 OPTIONS\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>\n<recv response=\"200\"/>\n</scenario>\n";

#[test]
fn what_is_over_is_over_as_it_is_for_sipp() {
    let mut warned = Vec::new();
    for program in ["sipp", OURS] {
        let folder = tempfile::tempdir().unwrap();
        let written = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        written("waits.xml", WAITS_IN_VAIN);
        written("asks.xml", ASKS);
        let counted = |file: &str| {
            let row = last_row(&folder.path().join(file));
            (row["SuccessfulCall(C)"].clone(), row["FailedCall(C)"].clone())
        };
        // The time is over while calls are under way: no new ones, and those that are there end well.
        let at = free_port();
        let _callee = start(OURS, folder.path(), &["-sn", "uas", "-p", &at.to_string()]);
        listens(at, false);
        let to = format!("127.0.0.1:{at}");
        let words = ["-sn", "uac", &to, "-m", "5", "-r", "100", "-d", "1300", "-timeout", "1", "-trace_stat", "-stf"];
        let output = finish(program, folder.path(), &[&words[..], &["time.csv"]].concat());
        assert_eq!((output.status.code(), counted("time.csv")), (Some(0), ("5".into(), "0".into())), "{program}");
        // All that are wanted are placed, however few may be under way.
        let words = ["-sn", "uac", &to, "-m", "6", "-l", "2", "-r", "100", "-d", "50", "-trace_stat", "-stf"];
        let output = finish(program, folder.path(), &[&words[..], &["limit.csv"]].concat());
        assert_eq!((output.status.code(), counted("limit.csv")), (Some(0), ("6".into(), "0".into())), "{program}");
        // Who waits in vain and jumps to the end has failed.
        let at = free_port();
        let taking = ["-sf", "waits.xml", "-p", &at.to_string(), "-m", "1", "-trace_stat", "-stf", "waits.csv"];
        let mut callee = start(program, folder.path(), &taking);
        listens(at, false);
        succeeds(OURS, folder.path(), &["-sf", "asks.xml", &format!("127.0.0.1:{at}"), "-m", "1"]);
        let ended = callee.0.wait().unwrap().code();
        assert_eq!((ended, counted("waits.csv")), (Some(1), ("0".into(), "1".into())), "{program}");
        warned.push(last_row(&folder.path().join("waits.csv"))["Warnings(C)"].clone());
    }
    assert!(warned[0] == warned[1] && warned[0] != "0", "{warned:?}");
}

/// Both sides of calls in which one INFO is said three times to the letter, with the CSeq that it had.
fn write_stubborn_calls(folder: &Path) {
    let (again, patient) = ("<label id=\"1\"/>", "retrans=\"20000\"");
    let count = "<nop><action><add assign_to=\"n\" value=\"1\"/>\
                 <test assign_to=\"more\" variable=\"n\" compare=\"less_than\" value=\"3\"/></action></nop><nop next=\"1\" test=\"more\"/>";
    let [invite, ack] = [asks("INVITE", 1, patient), asks("ACK", 1, "")];
    let [info, bye] = [asks("INFO", 2, patient), asks("BYE", 3, patient)];
    let fine = "<recv response=\"200\"/>";
    let [tagged, plain] = [agrees(";tag=t"), agrees("")];
    let calls = format!("{invite}{fine}{ack}{again}{info}{fine}{count}{bye}{fine}");
    let [comes, acked, digit, over] =
        ["INVITE", "ACK", "INFO", "BYE"].map(|method| format!("<recv request=\"{method}\"/>"));
    let takes = format!("{comes}{tagged}{acked}{digit}{plain}{over}{plain}");
    for (name, steps) in [("stubborn", calls), ("calm", takes)] {
        let text = format!("<?xml version=\"1.0\"?>\n<scenario name=\"{name}\">\n{steps}</scenario>\n");
        std::fs::write(folder.join(format!("{name}.xml")), text).unwrap();
    }
}

#[test]
fn a_request_that_is_said_again_to_the_letter_is_answered_and_the_call_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    write_stubborn_calls(folder.path());
    for callee in [OURS, "sipp"] {
        let at = free_port();
        let mut taker = start(callee, folder.path(), &["-sf", "calm.xml", "-p", &at.to_string(), "-m", "4"]);
        listens(at, false);
        let to = format!("127.0.0.1:{at}");
        let words = ["-sf", "stubborn.xml", &to, "-m", "4", "-timeout", "120", "-trace_stat", "-stf", "rows.csv"];
        succeeds(OURS, folder.path(), &[&words[..], &["-trace_err", "-error_file", "errors"]].concat());
        assert!(taker.0.wait().unwrap().success(), "{callee}");
        assert_eq!(last_row(&folder.path().join("rows.csv"))["Retransmissions(C)"], "0", "{callee}");
    }
}

/// `[cseq]` is the next number with each request, in a loop too, but with neither ACK nor a repeat.
#[test]
fn requests_are_numbered_as_sipp_numbers_them() {
    let folder = tempfile::tempdir().unwrap();
    let patient = "retrans=\"20000\"";
    let [invite, info, bye] = ["INVITE", "INFO", "BYE"].map(|method| asks(method, "[cseq]", patient));
    let (ack, fine) = (asks("ACK", "[cseq]", ""), "<recv response=\"200\"/>");
    let count = "<nop><action><add assign_to=\"n\" value=\"1\"/>\
                 <test assign_to=\"more\" variable=\"n\" compare=\"less_than\" value=\"3\"/></action></nop><nop next=\"1\" test=\"more\"/>";
    let calls = format!("{invite}{fine}{ack}<label id=\"1\"/>{info}{fine}{count}{bye}{fine}");
    let comes = |method: &str| format!("<recv request=\"{method}\"/>");
    let taken = format!("{}{}", comes("INFO"), agrees("")).repeat(3);
    let takes = format!("{}{}{}{taken}{}{}", comes("INVITE"), agrees(";tag=t"), comes("ACK"), comes("BYE"), agrees(""));
    for (name, steps) in [("counts", calls), ("hears", takes)] {
        let text = format!("<?xml version=\"1.0\"?>\n<scenario name=\"{name}\">\n{steps}</scenario>\n");
        std::fs::write(folder.path().join(format!("{name}.xml")), text).unwrap();
    }
    let numbers = |program: &str, base: &[&str]| -> Vec<String> {
        let at = free_port();
        let mut taker = start(OURS, folder.path(), &["-sf", "hears.xml", "-p", &at.to_string(), "-m", "1"]);
        listens(at, false);
        let (to, said) = (format!("127.0.0.1:{at}"), folder.path().join("said"));
        let words = ["-sf", "counts.xml", &to, "-m", "1", "-timeout", "120", "-trace_msg", "-message_file", "said"];
        succeeds(program, folder.path(), &[&words[..], base].concat());
        assert!(taker.0.wait().unwrap().success(), "{program}");
        let text = std::fs::read_to_string(said).unwrap();
        let mut numbers: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("CSeq: ")).map(|line| line.trim().to_owned()).collect();
        numbers.dedup();
        numbers
    };
    for base in [&[][..], &["-base_cseq", "40"]] {
        let ours = numbers(OURS, base);
        assert_eq!(ours, numbers("sipp", base));
        assert_eq!(ours.len(), 6, "{ours:?}");
    }
}

/// Two programs that each take the other's repeat for a reason to repeat would never end.
#[test]
fn a_request_that_is_said_without_end_is_not_answered_without_end() {
    let folder = tempfile::tempdir().unwrap();
    write_stubborn_calls(folder.path());
    let at = free_port();
    let _callee = start(OURS, folder.path(), &["-sf", "calm.xml", "-p", &at.to_string()]);
    listens(at, false);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
    let say = |method: &str, cseq: u32| {
        let text = format!(
            "{method} sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{method}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:x@y>;tag=t\r\nCall-ID: endless\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(text.as_bytes(), ("127.0.0.1", at)).unwrap();
    };
    let hear = || {
        let mut bytes = [0; 2_000];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    say("INVITE", 1);
    assert!(hear().contains("1 INVITE"));
    say("ACK", 1);
    (0..200).for_each(|_| say("INFO", 2));
    say("BYE", 3);
    let answers = std::iter::repeat_with(hear).take_while(|answer| !answer.contains("3 BYE")).count();
    assert_eq!(answers, 1 + 64);
}

/// The ports of this address that are taken, once there are so many of them.
fn ports_of(ip: [u8; 4], count: usize) -> Vec<u16> {
    let until = Instant::now() + Duration::from_secs(180);
    let ours = format!("{:08X}:", u32::from_le_bytes(ip));
    loop {
        let table = std::fs::read_to_string("/proc/net/udp").unwrap();
        let taken = table.lines().filter_map(|line| line.split_whitespace().nth(1)?.strip_prefix(&ours));
        let taken: Vec<u16> = taken.map(|port| u16::from_str_radix(port, 16).unwrap()).collect();
        if taken.len() >= count {
            return taken;
        }
        assert!(Instant::now() < until, "{taken:?} at {ip:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_names_no_port_has_5060_or_one_of_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let _both = [1, 2].map(|_| start(OURS, folder.path(), &["-sn", "uas", "-i", "127.91.7.2"]));
    let taken = ports_of([127, 91, 7, 2], 2);
    // Somebody else may have the first ones at all addresses.
    assert!(taken.iter().all(|port| (5_060..5_120).contains(port)) && taken[0] != taken[1], "{taken:?}");
    let to = format!("127.91.7.2:{}", taken[0]);
    succeeds("sipp", folder.path(), &["-sn", "uac", &to, "-m", "3", "-timeout", "60"]);
}

/// Says what each of these keywords stands for, before and after an answer.
fn write_keywords(folder: &Path) {
    let asked = "X-Server: [server_ip]\nX-Remote: [remote_host]\nX-Moment: [timestamp]\nX-Literal: \\n \\t \\x5bx]\n";
    let heard = "X-To: [last_Request_URI]\nX-All: [last_X-Two:]\nX-Via: [last_Via]\nX-None: [last_X-None:]\n";
    let [first, second] = [("OPTIONS", asked), ("INFO", heard)].map(|(method, more)| {
        asks(method, "[cseq]", "retrans=\"20000\"").replace("Max-Forwards: 70\n", &format!("Max-Forwards: 70\n{more}"))
    });
    let quoted = "<nop><action><assignstr assign_to=\"who\" value=\"username=\\\"ann\\\"\"/>\
                  <ereg regexp=\"username=\\\"([^\\\"]*)\\\"\" search_in=\"var\" variable=\"who\" check_it=\"true\" assign_to=\"all,name\"/>\
                  <log message=\"[$all] [$name]\"/></action></nop>";
    let fine = "<recv response=\"200\"/>";
    let calls = format!("{first}{fine}{second}{fine}{quoted}");
    let two = agrees(";tag=t").replace("Contact:", "X-Two: a\nX-Two: b\nContact:");
    let takes = format!("<recv request=\"OPTIONS\"/>{two}<recv request=\"INFO\"/>{}", agrees(""));
    for (name, steps) in [("says", calls), ("hears", takes)] {
        let text = format!("<?xml version=\"1.0\"?>\n<scenario name=\"{name}\">\n{steps}</scenario>\n");
        std::fs::write(folder.join(format!("{name}.xml")), text).unwrap();
    }
}

#[test]
fn keywords_and_quotes_in_attributes_stand_for_what_they_stand_for_with_sipp() {
    let folder = tempfile::tempdir().unwrap();
    write_keywords(folder.path());
    let said = ["sipp", OURS].map(|program| {
        let at = free_port();
        let mut taker = start(OURS, folder.path(), &["-sf", "hears.xml", "-p", &at.to_string(), "-m", "1"]);
        listens(at, false);
        let to = format!("127.0.0.1:{at}");
        let words = ["-sf", "says.xml", &to, "-m", "1", "-timeout", "120", "-trace_msg", "-message_file", "said"];
        let logs = ["-trace_logs", "-log_file", "logs", "-trace_err", "-error_file", "errors"];
        succeeds(program, folder.path(), &[&words[..], &logs].concat());
        assert!(taker.0.wait().unwrap().success(), "{program}");
        let [text, logs] = ["said", "logs"].map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap());
        assert_eq!(logs.trim(), "username=\"ann\" ann", "{program}");
        let lines = text.lines().map(str::trim_end).filter(|line| line.starts_with("X-") && !line.starts_with("X-Two"));
        // Of moments the form is the same, and of branches that there is one.
        let form = |line: &str| match line.split_once(' ') {
            Some(("X-Moment:", moment)) => format!("{:?}", moment.split('\t').map(str::len).collect::<Vec<_>>()),
            Some(("X-Via:", via)) => via.split_whitespace().next().unwrap_or_default().to_owned(),
            _ => line.to_owned(),
        };
        lines.map(form).collect::<Vec<_>>()
    });
    let [theirs, ours] = said;
    assert_eq!(ours, theirs);
    assert!(ours.contains(&"X-All: X-Two: a, b".to_owned()), "{ours:?}");
}

/// Asks with these methods in no call, and says which of them is answered by 200 first.
fn answered_first(at: u16, methods: &[&str]) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
    let own = socket.local_addr().unwrap();
    for method in methods {
        let text = format!(
            "{method} sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{method}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:x@y>\r\nCall-ID: {method}-{own}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        socket.send_to(text.as_bytes(), ("127.0.0.1", at)).unwrap();
    }
    let mut bytes = [0; 2_000];
    let length = socket.recv(&mut bytes).unwrap();
    let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
    assert!(text.starts_with("SIP/2.0 200"), "{text}");
    text.lines().find_map(|line| line.strip_prefix("CSeq: 1 ")).unwrap().trim().to_owned()
}

#[test]
fn requests_of_no_call_are_answered_by_a_scenario_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let only = "<?xml version=\"1.0\"?>\n<scenario name=\"only\">\n<recv request=\"MESSAGE\"/>\n{}</scenario>\n";
    std::fs::write(folder.path().join("only.xml"), only.replace("{}", &agrees(";tag=o"))).unwrap();
    for (words, asked, first, counted) in [
        (&["-oocsn", "ooc_default"][..], ["OPTIONS", "MESSAGE"], "OPTIONS", ["2", "0", "0"]),
        (&["-oocsf", "only.xml"], ["OPTIONS", "MESSAGE"], "MESSAGE", ["2", "0", "0"]),
        (&["-aa"], ["MESSAGE", "OPTIONS"], "OPTIONS", ["1", "1", "0"]),
    ] {
        for program in ["sipp", OURS] {
            let at = free_port();
            let port = at.to_string();
            let usual = ["-sn", "uac", "127.0.0.1:9", "-r", "0", "-p", &port, "-trace_stat", "-stf", "rows.csv"];
            let mut caller = start(program, folder.path(), &[&usual[..], words].concat());
            listens(at, false);
            assert_eq!(answered_first(at, &asked), first, "{program} {words:?}");
            if program == OURS {
                assert!(Command::new("kill").args(["-USR1", &caller.0.id().to_string()]).status().unwrap().success());
                assert_eq!(caller.0.wait().unwrap().code(), Some(99), "the run had no call of its own: {words:?}");
                let row = last_row(&folder.path().join("rows.csv"));
                let told = ["AutoAnswered(C)", "OutOfCallMsgs(C)", "TotalCallCreated"].map(|name| row[name].as_str());
                assert_eq!(told, counted, "{words:?}");
            }
        }
    }
}

#[test]
fn calls_come_from_the_addresses_that_a_file_names() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hosts.csv"), "SEQUENTIAL\nann;127.92.1.1\nbob;127.92.1.2\n").unwrap();
    let at = free_port();
    let taking = ["-sn", "uas", "-p", &at.to_string(), "-m", "4", "-trace_msg", "-message_file", "heard"];
    let mut callee = start("sipp", folder.path(), &taking);
    listens(at, false);
    let to = format!("127.0.0.1:{at}");
    let words = ["-sn", "uac", &to, "-t", "ui", "-inf", "hosts.csv", "-ip_field", "1", "-m", "4", "-timeout", "60"];
    succeeds(OURS, folder.path(), &words);
    assert!(callee.0.wait().unwrap().success());
    let heard = std::fs::read_to_string(folder.path().join("heard")).unwrap();
    for ip in ["127.92.1.1", "127.92.1.2"] {
        assert!(heard.contains(&format!("Via: SIP/2.0/UDP {ip}:")), "{ip} in {heard}");
    }
    // Who is called listens at all of them, and answers from the one that was asked.
    let port = free_port();
    let taking = ["-sn", "uas", "-t", "ui", "-inf", "hosts.csv", "-ip_field", "1", "-p", &port.to_string()];
    let _callee = start(OURS, folder.path(), &taking);
    for last in [1, 2] {
        while !ports_of([127, 92, 1, last], 1).contains(&port) {}
        let to = format!("127.92.1.{last}:{port}");
        succeeds("sipp", folder.path(), &["-sn", "uac", &to, "-m", "2", "-timeout", "60"]);
    }
}
