//! What steps do besides their messages: each scenario is played by SIPp and by ours, and both write the same.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/beside.rs"]
mod beside;
#[path = "../../dataplane/tests/support/ports.rs"]
mod ports;

use std::net::UdpSocket;
use std::path::Path;
use std::thread;
use std::time::Duration;

use beside::*;
use ports::free_port;

const PROGRAMS: [&str; 2] = ["sipp", OURS];
const FINE: &str = "<recv response=\"200\"/>";

fn write(folder: &Path, name: &str, steps: &str) {
    let text = format!("<?xml version=\"1.0\"?>\n<scenario name=\"{name}\">\n{steps}\n</scenario>\n");
    std::fs::write(folder.join(format!("{name}.xml")), text).unwrap();
}

fn does(actions: &str) -> String {
    format!("<nop><action>{actions}</action></nop>\n")
}

fn patient(method: &str) -> String {
    asks(method, "[cseq]", "retrans=\"20000\"")
}

/// Somebody who answers every OPTIONS.
fn answers(folder: &Path, transport: &str) -> (Running, String) {
    let at = free_port();
    let callee = start(OURS, folder, &["-sn", "ooc_default", "-p", &at.to_string(), "-t", transport]);
    listens(at, transport != "u1");
    (callee, format!("127.0.0.1:{at}"))
}

/// Plays a scenario to its end; its exit code and what it logged.
fn logged(program: &str, folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let _ = std::fs::remove_file(folder.join("logs"));
    let usual = ["-timeout", "60", "-trace_logs", "-log_file", "logs", "-max_socket", "100"];
    let output = finish(program, folder, &[words, &usual].concat());
    (output.status.code(), std::fs::read_to_string(folder.join("logs")).unwrap_or_default())
}

#[test]
fn what_is_to_be_done_first_is_done_once() {
    let folder = tempfile::tempdir().unwrap();
    let count = "<add assign_to=\"n\" value=\"1\"/><test assign_to=\"more\" variable=\"n\" compare=\"less_than\" value=\"4\"/>\
                 <assignstr assign_to=\"own\" value=\"x\"/><log message=\"first [$n] [$more] [$own] [call_id] [service]\"/>";
    let first = format!(
        "<init>\n<label id=\"1\"/>\n{}<nop next=\"1\" test=\"more\"/>\n<nop condexec=\"who\" condexec_inverse=\"true\"><action>\
         <assignstr assign_to=\"who\" value=\"nobody\"/></action></nop>\n</init>\n",
        does(count)
    );
    let call = does("<add assign_to=\"n\" value=\"10\"/><log message=\"[$n] [$who] [$own].\"/>");
    let steps = format!("{call}<nop next=\"1\"/><label id=\"1\"/>{}{FINE}", patient("OPTIONS"));
    write(folder.path(), "above", &format!("<Global variables=\"n,who\"/>{first}{steps}"));
    write(folder.path(), "below", &format!("<Global variables=\"n,who\"/>{steps}{first}"));
    let (_callee, to) = answers(folder.path(), "u1");
    for (file, set, wanted) in [
        ("above.xml", &[][..], "14.000000 nobody ."),
        ("above.xml", &["-set", "who", "ann"], "24.000000 ann ."),
        ("below.xml", &[], "24.000000 nobody ."),
    ] {
        let words = [&["-sf", file, &to, "-m", "2"], set].concat();
        let [theirs, ours] = PROGRAMS.map(|program| logged(program, folder.path(), &words));
        assert_eq!(ours, theirs, "{file}");
        assert!(ours.0 == Some(0) && ours.1.lines().any(|line| line == wanted), "{ours:?}");
        assert_eq!(ours.1.matches("first ").count(), 4, "{ours:?}");
    }
    write(folder.path(), "ends", &format!("<init>{}</init>{steps}", does("<error message=\"no more\"/>")));
    let codes = PROGRAMS.map(|program| logged(program, folder.path(), &["-sf", "ends.xml", &to, "-m", "2"]).0);
    assert_eq!(codes, [Some(1); 2]);
    write(folder.path(), "wrong", "<init>\n<pause/>\n</init>\n<recv request=\"BYE\"/>");
    let (fine, told) = lint(folder.path(), "wrong.xml");
    assert!(!fine && told.contains("wrong.xml:4:1: refused: <pause> in <init>"), "{told}");
}

#[test]
fn lines_are_added_to_files_of_values_and_changed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.csv"), "SEQUENTIAL\nann;1\nbob;2\n").unwrap();
    std::fs::write(folder.path().join("many.csv"), "SEQUENTIAL,PRINTF=9\nuser%d;1\n").unwrap();
    let at = |name: &str| format!("<lookup assign_to=\"line\" file=\"users.csv\" key=\"{name}\"/>");
    let tell = "<log message=\"[field0] [$line] [field1 file=\\\"users.csv\\\" line=\\\"[$line]\\\"]\"/>";
    let changes = format!(
        "<insert file=\"users.csv\" value=\"cid;[call_number]\"/>{}{tell}<replace file=\"users.csv\" line=\"0\" value=\"zoe;[service]\"/>\
         {}{tell}{}<log message=\"[$line]\"/>",
        at("cid"),
        at("zoe"),
        at("ann")
    );
    write(folder.path(), "changes", &format!("{}{}{FINE}", does(&changes), patient("OPTIONS")));
    let beyond = "<replace file=\"users.csv\" line=\"7\" value=\"eve\"/><log message=\"on\"/>";
    write(folder.path(), "beyond", &format!("{}{}{FINE}", does(beyond), patient("OPTIONS")));
    let many = "<insert file=\"many.csv\" value=\"eve\"/>";
    write(folder.path(), "many", &format!("{}{}{FINE}", does(many), patient("OPTIONS")));
    let (_callee, to) = answers(folder.path(), "u1");
    let users = ["-inf", "users.csv", "-infindex", "users.csv", "0"];
    for (file, index, wanted) in [
        ("changes.xml", &users[..], Some(0)),
        ("beyond.xml", &users, Some(255)),
        ("changes.xml", &users[..2], Some(255)),
    ] {
        let words = [&["-sf", file, &to, "-m", "5"], index].concat();
        let [theirs, ours] = PROGRAMS.map(|program| logged(program, folder.path(), &words));
        assert_eq!((&ours, ours.0), (&theirs, wanted), "{file} {index:?}");
        assert!(
            wanted != Some(0) || ours.1.contains("cid 5.000000 "),
            "the third call has the first inserted line: {ours:?}"
        );
    }
    let words = ["-sf", "many.xml", &to, "-inf", "many.csv"];
    assert_eq!(
        logged(OURS, folder.path(), &words).0,
        Some(255),
        "one line that stands for nine has no room for another"
    );
}

#[test]
fn calls_go_elsewhere_and_their_connections_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "takes", &format!("<recv request=\"OPTIONS\"/>{}", agrees("")));
    for (transport, protocol, wrong) in [("u1", "UDP", "TCP"), ("un", "UDP", "TCP"), ("tn", "TCP", "UDP")] {
        for program in PROGRAMS {
            let callees = if transport == "tn" { "t1" } else { "u1" };
            let (_first, to) = answers(folder.path(), callees);
            let at = free_port();
            let taking = ["-sf", "takes.xml", "-p", &at.to_string(), "-t", callees, "-m", "3"];
            let mut second = start(OURS, folder.path(), &taking);
            listens(at, callees == "t1");
            let call = |protocol: &str| {
                let there = format!("<setdest host=\"127.0.0.1\" port=\"{at}\" protocol=\"{protocol}\"/>");
                let tell = "<log message=\"[remote_ip]:[remote_port]\"/>";
                format!("{}{FINE}{}{}{FINE}", patient("OPTIONS"), does(&format!("{there}{tell}")), patient("OPTIONS"))
            };
            write(folder.path(), "wrong", &call(wrong));
            write(folder.path(), "turns", &call(protocol));
            let words = ["-sf", "turns.xml", &to, "-m", "3", "-t", transport];
            let stays = format!("{to}\n").repeat(3);
            assert_eq!(logged(program, folder.path(), &words), (Some(0), stays), "{program} {transport}");
            assert!(second.0.wait().unwrap().success(), "{program} {transport}: it was called three times");
            let words = ["-sf", "wrong.xml", &to, "-m", "1", "-t", transport];
            assert_eq!(logged(program, folder.path(), &words).0, Some(255), "{program} {transport}");
        }
    }
    let beyond = does("<setdest host=\"192.0.2.1\" port=\"5060\" protocol=\"UDP\"/>");
    write(folder.path(), "beyond", &format!("{beyond}{}{FINE}", patient("OPTIONS")));
    let told = finish(OURS, folder.path(), &["-sf", "beyond.xml", "127.0.0.1:9", "-m", "1"]);
    let text = String::from_utf8(told.stderr).unwrap();
    assert!(told.status.code() == Some(255) && text.contains("-allow_target"), "{text}");
    let close = format!("{}{FINE}{}{}{FINE}", patient("OPTIONS"), does("<closecon/>"), patient("OPTIONS"));
    write(folder.path(), "closes", &close);
    let twice = format!("<recv request=\"OPTIONS\"/>{}", agrees("")).repeat(2);
    write(folder.path(), "twice", &twice);
    for (transport, callees, wanted) in [("tn", "t1", 0), ("un", "u1", 0), ("u1", "u1", 255), ("t1", "t1", 255)] {
        let at = free_port();
        let callee = start(OURS, folder.path(), &["-sf", "twice.xml", "-p", &at.to_string(), "-t", callees]);
        listens(at, callees == "t1");
        let to = format!("127.0.0.1:{at}");
        let said = ["-trace_msg", "-message_file", "said"];
        let words = [&["-sf", "closes.xml", &to, "-m", "1", "-t", transport][..], &said].concat();
        assert_eq!(logged(OURS, folder.path(), &words).0, Some(wanted), "{transport}");
        if transport == "un" {
            let text = std::fs::read_to_string(folder.path().join("said")).unwrap();
            let ports =
                text.lines().filter(|line| line.starts_with("Via:")).map(|line| line.split(';').next().unwrap());
            assert_eq!(ports.collect::<std::collections::BTreeSet<_>>().len(), 2, "each socket is named: {text}");
        }
        drop(callee);
    }
}

/// Who answers OPTIONS, asks with these methods, each when the one before was answered, and tells what came besides.
fn meddler(socket: UdpSocket, methods: &'static [&'static str]) -> thread::JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let mut left = methods.iter().enumerate();
        let mut came = Vec::new();
        let mut bytes = [0; 4_000];
        loop {
            let (length, from) = socket.recv_from(&mut bytes).unwrap();
            let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
            let header = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
            let first = text.lines().next().unwrap_or_default();
            if first == "over" {
                return came;
            }
            if first.starts_with("OPTIONS") {
                let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].map(header).join("\r\n");
                let answer = format!("SIP/2.0 200 OK\r\n{copied}\r\nContent-Length: 0\r\n\r\n");
                socket.send_to(answer.as_bytes(), from).unwrap();
            } else {
                came.push(first.split(' ').next().unwrap_or_default().to_owned() + " " + &header("CSeq:"));
            }
            if let Some((number, method)) = left.next() {
                let ask = format!(
                    "{method} sip:a SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{number}\r\nFrom: <sip:x@y>;tag=1\r\n\
                     To: <sip:a@b>;tag=1\r\n{}\r\nCSeq: {} {method}\r\nContent-Length: 0\r\n\r\n",
                    header("Call-ID:"),
                    number + 7
                );
                socket.send_to(ask.as_bytes(), from).unwrap();
            }
        }
    })
}

#[test]
fn what_nobody_expects_is_heard_elsewhere_and_the_call_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let call = format!(
        "{}{FINE}<pause milliseconds=\"800\"/>{}<nop next=\"9\"/>",
        patient("OPTIONS"),
        does("<log message=\"end\"/>")
    );
    let hears = format!(
        "<label id=\"_unexp.main\"/>{}<recv request=\"BYE\" optional=\"true\" next=\"8\"/><recv request=\"INFO\"/><label id=\"8\"/>",
        does("<log message=\"from [$_unexp.retaddr]\"/>")
    );
    let back = "<jump variable=\"_unexp.retaddr\"/><pauserestore variable=\"_unexp.pausedaddr\"/>";
    // With the answer, since the next one comes as soon as that is heard.
    let answers = |more: &str| agrees("").replace("</send>", &format!("<action>{back}{more}</action></send>"));
    let again = "<assign assign_to=\"_unexp.retaddr\" value=\"0\"/>";
    write(folder.path(), "once", &format!("{call}{hears}{}<label id=\"9\"/>", answers("")));
    write(folder.path(), "often", &format!("{call}{hears}{}<label id=\"9\"/>", answers(again)));
    for (file, methods, wanted) in [
        ("once.xml", &["INFO"][..], 0),
        ("once.xml", &["BYE"], 0),
        ("once.xml", &["INFO", "INFO"], 1),
        ("often.xml", &["INFO", "INFO", "BYE"], 0),
        ("often.xml", &["MESSAGE"], 1),
    ] {
        let [theirs, ours] = PROGRAMS.map(|program| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
            let to = socket.local_addr().unwrap();
            let meddler = meddler(socket, methods);
            let played = logged(program, folder.path(), &["-sf", file, &to.to_string(), "-m", "1"]);
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"over", to).unwrap();
            let mut came = meddler.join().unwrap();
            // A call that is broken off ends by a BYE, which each program numbers in its own way.
            came.retain(|line| !line.starts_with("BYE"));
            (played, came)
        });
        assert_eq!(ours, theirs, "{file} {methods:?}");
        assert_eq!(ours.0.0, Some(wanted), "{file} {methods:?}: {ours:?}");
    }
}

#[test]
fn a_repeat_is_told_by_few_headers_where_it_may_travel_another_way() {
    let folder = tempfile::tempdir().unwrap();
    let hears = |method: &str| format!("<recv request=\"{method}\"/>{}", agrees(""));
    write(folder.path(), "hears", &format!("{}{}", hears("OPTIONS"), hears("INFO")));
    let [theirs, ours] = PROGRAMS.map(|program| {
        let at = free_port();
        let words = ["-sf", "hears.xml", "-p", &at.to_string(), "-m", "1", "-rtcheck", "loose"];
        let mut callee = start(program, folder.path(), &words);
        listens(at, false);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
        let own = socket.local_addr().unwrap();
        let answers = [("OPTIONS", 1, "a"), ("OPTIONS", 1, "b"), ("INFO", 2, "c")].map(|(method, cseq, branch)| {
            let text = format!(
                "{method} sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{branch}\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:x@y>;tag=t\r\nCall-ID: loose\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send_to(text.as_bytes(), ("127.0.0.1", at)).unwrap();
            let mut bytes = [0; 2_000];
            let length = socket.recv(&mut bytes).unwrap();
            let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
            text.lines().filter(|line| line.starts_with("CSeq") || line.starts_with("Via")).count()
        });
        (answers, callee.0.wait().unwrap().code())
    });
    assert_eq!((ours, ours.1), (theirs, Some(0)));
}

#[test]
fn files_are_put_into_messages_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("part.txt"), "X-One: [service]\r\nX-Two: 2").unwrap();
    std::fs::write(folder.path().join("names.csv"), "SEQUENTIAL\npart.txt\nnone.txt\n").unwrap();
    let with = |name: &str| patient("OPTIONS").replace("Max-Forwards", &format!("[file name={name}]\nMax-Forwards"));
    write(folder.path(), "one", &format!("{}{FINE}", with("\"part.txt\"")));
    write(folder.path(), "each", &format!("{}{FINE}", with("\"[field0]\"")));
    write(folder.path(), "none", &format!("{}{FINE}", with("\"none.txt\"")));
    let (_callee, to) = answers(folder.path(), "u1");
    for (file, calls, wanted) in [("one.xml", "1", 0), ("each.xml", "1", 0), ("each.xml", "2", 255)] {
        let said = PROGRAMS.map(|program| {
            let words = ["-sf", file, &to, "-m", calls, "-inf", "names.csv", "-trace_msg", "-message_file", "said"];
            let (code, _) = logged(program, folder.path(), &words);
            assert_eq!(code, Some(wanted), "{program} {file} {calls}");
            let text = std::fs::read_to_string(folder.path().join("said")).unwrap();
            text.lines().filter(|line| line.starts_with("X-")).map(str::to_owned).collect::<Vec<_>>()
        });
        assert_eq!(said[0], said[1]);
        assert_eq!(said[1], ["X-One: [service]", "X-Two: 2"], "{file}");
    }
    let (fine, told) = lint(folder.path(), "none.xml");
    assert!(!fine && told.contains("refused: none.txt: "), "{told}");
}

#[test]
fn texts_are_made_fit_for_uris_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let both = "<assignstr assign_to=\"v\" value=\"a b&amp;c/é~-_.%\"/><urlencode variable=\"v\"/><log message=\"[$v]\"/>\
                <urldecode variable=\"v\"/><log message=\"[$v]\"/>";
    write(folder.path(), "both", &format!("{}{}{FINE}", does(both), patient("OPTIONS")));
    let (_callee, to) = answers(folder.path(), "u1");
    let (code, told) = logged(OURS, folder.path(), &["-sf", "both.xml", &to, "-m", "1"]);
    assert_eq!((code, told.as_str()), (Some(0), "a%20b%26c%2F%C3%A9~-_.%25\na b&c/é~-_.%\n"));
}

#[test]
fn a_variable_is_set_where_it_is_for_sipp() {
    let folder = tempfile::tempdir().unwrap();
    let values = "<assignstr assign_to=\"empty\" value=\"\"/><assignstr assign_to=\"text\" value=\"abc\"/>\
                  <ereg regexp=\"(b)|(q)\" search_in=\"var\" variable=\"text\" assign_to=\"found,group,other\"/>\
                  <ereg regexp=\"zz(x*)\" search_in=\"var\" variable=\"text\" assign_to=\"missed,gone\"/>\
                  <assign assign_to=\"zero\" value=\"0\"/><assign assign_to=\"half\" value=\"0.5\"/>\
                  <strcmp assign_to=\"same\" variable=\"text\" value=\"abc\"/><strcmp assign_to=\"not\" variable=\"text\" value=\"abd\"/>\
                  <test assign_to=\"true\" variable=\"half\" compare=\"equal\" value=\"0.5\"/>\
                  <test assign_to=\"false\" variable=\"half\" compare=\"equal\" value=\"1\"/>";
    let names =
        ["empty", "text", "found", "group", "other", "missed", "gone", "zero", "half", "same", "not", "true", "false"];
    let asked: String = names
        .map(|name| format!("<nop condexec=\"{name}\"><action><log message=\"{name}: [${name}].\"/></action></nop>\n"))
        .concat();
    let told = does("<log message=\"[$zero][$same][$false][$other][$half].\"/>");
    write(folder.path(), "sets", &format!("{}{asked}{told}{}{FINE}", does(values), patient("OPTIONS")));
    let (_callee, to) = answers(folder.path(), "u1");
    let [theirs, ours] = PROGRAMS.map(|program| logged(program, folder.path(), &["-sf", "sets.xml", &to, "-m", "1"]));
    assert_eq!(ours, theirs);
    assert!(ours.1.contains("half: 0.500000.") && !ours.1.contains("same:"), "{ours:?}");
}

/// SIPp's own examples: a registrar that knows its users from a file, and users whose file says how each proves to be one.
#[test]
fn users_of_a_file_prove_who_they_are_to_a_registrar_with_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("known.csv", "SEQUENTIAL\njoe;secret\nann;other\n");
    let proof = |user: &str, password: &str| format!("{user};[authentication username={user} password={password}]\n");
    put("good.csv", &format!("SEQUENTIAL\n{}{}", proof("joe", "secret"), proof("ann", "other")));
    put("bad.csv", &format!("SEQUENTIAL\n{}{}", proof("joe", "guess"), proof("eve", "other")));
    let register = |cseq: u32, more: &str| {
        asks("REGISTER", cseq, "retrans=\"20000\"").replace("Max-Forwards", &format!("{more}Max-Forwards"))
    };
    let challenge = "SIP/2.0 401 Unauthorized\nWWW-Authenticate: Digest realm=\"example.com\", nonce=\"47ebe028cda1\"";
    let users = format!("{}<recv response=\"401\" auth=\"true\"/>{}{FINE}", register(1, ""), register(2, "[field1]\n"));
    write(folder.path(), "users", &users);
    let judges = "<ereg regexp=\"Digest .*username=\\\"([^\\\"]*)\\\"\" search_in=\"hdr\" header=\"Authorization:\" assign_to=\"all,user\"/>\
                  <lookup assign_to=\"line\" file=\"known.csv\" key=\"[$user]\"/>\
                  <verifyauth assign_to=\"good\" username=\"[$user]\" password=\"[field1 line=\\\"[$line]\\\"]\"/><log message=\"[$user] [$good]\"/>";
    let registrar = format!(
        "<recv request=\"REGISTER\"/>{}<recv request=\"REGISTER\"><action>{judges}</action></recv><nop test=\"good\" next=\"good\"/>\
         {}<nop next=\"end\"/><label id=\"good\"/>{}<label id=\"end\"/><Reference variables=\"all\"/>",
        agrees(";tag=r").replace("SIP/2.0 200 OK", challenge),
        agrees(";tag=r").replace("200 OK", "403 Forbidden"),
        agrees(";tag=r")
    );
    write(folder.path(), "registrar", &registrar);
    let mut told = Vec::new();
    for (caller, callee) in [("sipp", "sipp"), (OURS, "sipp"), ("sipp", OURS), (OURS, OURS)] {
        for (file, wanted) in [("good.csv", 0), ("bad.csv", 1)] {
            let at = free_port();
            let known = ["-inf", "known.csv", "-infindex", "known.csv", "0", "-trace_logs", "-log_file", "judged"];
            let words = ["-sf", "registrar.xml", "-p", &at.to_string(), "-m", "2"];
            let mut registrar = start(callee, folder.path(), &[&words[..], &known].concat());
            listens(at, false);
            let to = format!("127.0.0.1:{at}");
            let played = logged(caller, folder.path(), &["-sf", "users.xml", "-inf", file, &to, "-m", "2"]);
            assert_eq!(played.0, Some(wanted), "{caller} {callee} {file}");
            registrar.0.wait().unwrap();
            told.push(std::fs::read_to_string(folder.path().join("judged")).unwrap());
        }
    }
    assert!(told.chunks(2).all(|pair| pair == &told[..2]), "{told:?}");
    assert_eq!(told[0], "joe true\nann true\n");
}

#[test]
fn pauses_are_drawn_as_older_files_ask_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let drawn = [
        "normal=\"true\" mean=\"20\" stdev=\"1\"",
        "exponential=\"true\" mean=\"20\"",
        "lognormal=\"true\" mean=\"3\" stdev=\"0.1\"",
        "weibull=\"true\" lambda=\"20\" k=\"3\" x_offset=\"0\"",
        "pareto=\"true\" k=\"5\" x_m=\"20\"",
        "gamma=\"true\" k=\"3\" theta=\"5\"",
        "min=\"5\" max=\"20\"",
        "distribution=\"negbin\" p=\"0.5\" n=\"20\" hiderest=\"true\"",
    ];
    let pauses: String = drawn.iter().map(|drawn| format!("<pause {drawn}/>\n")).collect();
    write(folder.path(), "pauses", &format!("{pauses}{}{FINE}", patient("OPTIONS")));
    let (_callee, to) = answers(folder.path(), "u1");
    for program in PROGRAMS {
        let screen = ["-trace_screen", "-screen_file", "screen"];
        let words = [&["-sf", "pauses.xml", &to, "-m", "1"][..], &screen].concat();
        assert_eq!(logged(program, folder.path(), &words).0, Some(0), "{program}");
        let shown = std::fs::read_to_string(folder.path().join("screen")).unwrap();
        assert!(!shown.contains("OPTIONS ------"), "{program} hides what follows: {shown}");
    }
    write(folder.path(), "wrong", "<pause normal=\"true\" mean=\"20\"/><recv request=\"BYE\"/>");
    let (fine, told) = lint(folder.path(), "wrong.xml");
    assert!(!fine && told.contains("distribution 'normal' wants stdev"), "{told}");
}

/// Nothing waits to be read at a UDP port of this machine.
fn emptied(port: u16) {
    let wanted = format!(":{port:04X}");
    let waits = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields.get(1).is_some_and(|local| local.ends_with(&wanted)) && !fields[4].ends_with(":00000000")
    };
    while std::fs::read_to_string("/proc/net/udp").unwrap().lines().any(waits) {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn media_goes_back_while_the_scenario_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let turns = |on: u8| {
        format!("<recv request=\"OPTIONS\"><action><rtp_echo value=\"{on}\"/></action></recv>{}", agrees(";tag=t"))
    };
    // It stays until it is ended.
    let steps = format!("{}{}{}<recv request=\"BYE\"/>", turns(1), turns(0), turns(1));
    write(folder.path(), "echo", &steps);
    let [theirs, ours] = PROGRAMS.map(|program| {
        let (at, media) = (free_port(), free_port());
        let ports = [at, media].map(|port| port.to_string());
        let words = ["-sf", "echo.xml", "-p", &ports[0], "-m", "1", "-rtp_echo", "-mp", &ports[1]];
        let mut callee = start(program, folder.path(), &words);
        listens(at, false);
        listens(media, false);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(180))).unwrap();
        let own = socket.local_addr().unwrap();
        let heard = [1, 2, 3].map(|number| {
            let ask = format!(
                "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{number}\r\nFrom: <sip:a@b>;tag=1\r\n\
                 To: <sip:x@y>\r\nCall-ID: echo\r\nCSeq: {number} OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            socket.send_to(ask.as_bytes(), ("127.0.0.1", at)).unwrap();
            let mut bytes = [0; 2_000];
            let length = socket.recv(&mut bytes).unwrap();
            assert!(bytes[..length].starts_with(b"SIP/2.0 200"), "{program} {number}");
            socket.send_to(&[0x80, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2], ("127.0.0.1", media)).unwrap();
            emptied(media);
            if number == 2 {
                return 0;
            }
            let length = socket.recv(&mut bytes).unwrap();
            assert_eq!(length, 14, "{program} {number}");
            bytes[3]
        });
        drop(callee.0.kill());
        heard
    });
    assert_eq!((ours, theirs), ([1, 0, 3], [1, 0, 3]));
}
