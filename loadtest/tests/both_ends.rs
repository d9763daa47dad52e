//! The load test against nothing but itself: the target is its own terminator, so every figure is known beforehand.
#![allow(clippy::unwrap_used, reason = "in a story a surprise ends the test")]

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tandem-loadtest");

/// An address on loopback that nobody else uses: no other run takes its ports.
fn free_address() -> String {
    static DRAWN: AtomicU8 = AtomicU8::new(1);
    let [.., second, third] = std::process::id().to_be_bytes();
    format!("127.{}.{third}.{}:5060", 128 + second % 64, DRAWN.fetch_add(1, Ordering::Relaxed))
}

fn run(target: &str, more: &[&str]) -> (Output, Value) {
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--target", target, "--live-json", "--late-max", "10s", "--seed", "7"]).args(more);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let last = text.lines().last().unwrap_or("{}");
    (output.clone(), serde_json::from_str(last).unwrap_or(Value::Null))
}

/// The lines of a file, which may be packed.
fn told(path: &str) -> String {
    if !path.ends_with(".zst") {
        return std::fs::read_to_string(path).unwrap();
    }
    let output = Command::new("zstd").args(["-dc", path]).output().expect("zstd is installed");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_call_is_answered_released_by_both_sides_and_heard_by_both_ends() {
    let at = free_address();
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls.ndjson.zst");
    let who = format!("name=self,at={at},ring=10ms,answer=uniform:20ms-60ms");
    let calls_out = calls.to_str().unwrap();
    let (output, summary) = run(
        &at,
        &[
            "--cps",
            "40",
            "--for",
            "3s",
            "--talk",
            "uniform:1100ms-1500ms",
            "--media",
            "100%",
            "--threads",
            "2",
            "--caller-releases",
            "50%",
            "--terminator",
            &who,
            "--calls-out",
            calls_out,
        ],
    );
    assert!(output.status.success(), "{output:?}");
    let counts = &summary["counts"];
    let placed = counts["placed"].as_u64().unwrap();
    assert!(placed > 80, "{summary}");
    assert_eq!(summary["planned"], placed);
    assert!(summary["latencies"]["rtp_first"]["count"].as_u64().unwrap() > placed / 2, "{summary}");
    assert_eq!(summary["codes"]["200"].as_u64().unwrap() + summary["codes"]["487"].as_u64().unwrap_or(0), placed);
    assert_eq!(counts["completed"], counts["answered"]);
    assert_eq!([&counts["rtp_lost"], &counts["rtp_misrouted"], &counts["rtp_silent_ends"]], [0, 0, 0]);
    assert!(counts["rtp_received"].as_u64().unwrap() > placed * 50, "{summary}");
    assert_eq!(summary["latencies"]["transit"]["count"].as_u64().unwrap(), placed);
    assert_eq!(summary["latencies"]["transit_back"]["count"], counts["answered"]);
    let lines: Vec<Value> = told(calls_out).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, placed);
    for line in &lines {
        let stages = ["planned_us", "sent_us", "trying_us", "ringing_us", "answered_us", "ended_us"];
        let told: Vec<u64> = stages.iter().filter_map(|stage| line[stage].as_u64()).collect();
        assert!(told.is_sorted() && (told.len() == 6 || line["ended_by"] == "cancelled"), "{line}");
    }
    for side in ["caller", "callee"] {
        assert!(lines.iter().any(|line| line["ended_by"] == side), "nobody was released by the {side}");
    }
    let long = lines.iter().filter(|line| line["duration_ms"].as_u64().unwrap() > 1_000).count();
    assert!(long * 4 > lines.len(), "calls are too short");
}

/// One of ten packets is not sent by one end, and nothing at all in a third of the calls: the other end hears just that.
#[test]
fn what_each_end_heard_is_judged_and_the_worst_are_named() {
    let at = free_address();
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls.ndjson");
    let who = format!("at={at},ring=0ms,answer=5ms,rtp_loss=10%,mute=30%");
    let usual = ["--cps", "12", "--for", "2500ms", "--arrivals", "constant", "--talk", "1200ms", "--media", "100%"];
    let levels = ["--slo", "mos.p5>4,rtp_jitter.p50<1h,rtp_poor<90%", "--calls-out", calls.to_str().unwrap()];
    let out = ["--out", folder.path().to_str().unwrap(), "--terminator", &who];
    let (output, summary) = run(&at, &[&usual[..], &levels, &out].concat());
    let count = |name: &str| summary["counts"][name].as_u64().unwrap();
    assert_eq!(output.status.code(), Some(1), "silence is a fault: {summary}");
    assert_eq!(summary["breaches"].as_array().unwrap().len(), 1, "{summary}");
    // Calls that the end of the run cuts short are not long enough for silence to mean something.
    assert!(count("rtp_ends") > 40 && count("rtp_ends") <= 60, "{summary}");
    assert!((1..=12).contains(&count("rtp_one_way")), "{summary}");
    assert_eq!(count("rtp_one_way"), count("rtp_silent_ends"));
    let lines = std::fs::read_to_string(calls).unwrap();
    let (mut lost, mut received) = (0, 0);
    for line in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let of = |end: &str, name: &str| line[end][name].as_u64().unwrap_or(0);
        assert_eq!(["lost", "duplicate", "misrouted"].map(|name| of("callee_heard", name)), [0; 3], "{line}");
        assert!(of("callee_heard", "received") > 0, "{line}");
        let heard = of("caller_heard", "received");
        received += heard;
        lost += if heard > 0 { of("caller_heard", "lost") } else { 0 };
    }
    assert!((5..15).contains(&(100 * lost / (lost + received))), "{lost} of {}", lost + received);
    let media = &summary["media"];
    assert!(media["worst"].as_array().unwrap().len() == 20 && media["mos_min"] == 1.0, "{summary}");
    assert!((0..5).all(|nth| media["worst"][nth]["caller"] == true), "{summary}");
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("The ends that heard the worst") && page.contains("mean opinion score"));
}

#[test]
fn packets_of_every_codec_and_time_are_told_apart_by_both_ends() {
    let usual = ["--cps", "2.5", "--for", "2s", "--arrivals", "burst:2s", "--talk", "1200ms", "--media", "full"];
    let play = |codec: &str, ptime: &str| {
        let at = free_address();
        let who = format!("at={at},ring=0ms,answer=5ms");
        run(&at, &[&usual[..], &["--codec", codec, "--ptime", ptime, "--terminator", &who]].concat())
    };
    std::thread::scope(|scope| {
        for (codec, ptime, mos) in
            [("g711", "10", 4.41), ("g711", "30", 4.41), ("g729", "10", 4.11), ("g729", "20", 4.11)]
        {
            let play = &play;
            scope.spawn(move || {
                let (output, summary) = play(codec, ptime);
                assert!(output.status.success(), "{output:?}");
                let count = |name: &str| summary["counts"][name].as_u64().unwrap();
                // Five calls of 1.2 s, two ends each; who stood still for a while has left some out, or let them come too late.
                let most = 10 * 1_200 / ptime.parse::<u64>().unwrap();
                let sent = count("rtp_sent");
                assert!(sent > most / 4 && sent < most * 3 / 2, "{codec} {ptime}: {sent} of {most}");
                assert_eq!((count("rtp_ends"), count("rtp_misrouted"), count("rtp_lost")), (10, 0, 0), "{summary}");
                let heard = summary["media"]["worst"][9]["mos"].as_f64().unwrap();
                assert!(heard > mos - 1.5 && heard < mos + 0.01, "{codec} {ptime}: {heard}");
            });
        }
    });
    let at = free_address();
    let refused = |words: &[&str]| run(&at, words).0.status.code();
    assert_eq!(refused(&["--ptime", "25"]), Some(2));
    assert_eq!(refused(&["--ptime", "10", "--dtmf", "1"]), Some(2));
    assert_eq!(refused(&["--codec", "g729", "--media-by", "kernel", "--media-interface", "lo"]), Some(2));
}

#[test]
fn digits_that_callers_dial_are_heard_by_callees_both_ways() {
    let at = free_address();
    let who = format!("at={at},ring=0ms,answer=5ms");
    let usual = ["--cps", "5", "--for", "2s", "--arrivals", "constant", "--talk", "900ms", "--caller-releases", "100%"];
    for (by, media) in [("rfc4733", "100%"), ("info", "0%")] {
        let dials = ["--dtmf", "19#@100ms", "--dtmf-by", by, "--media", media, "--slo", "dtmf_lost<100%"];
        let (output, summary) = run(&at, &[&usual[..], &dials, &["--terminator", &who]].concat());
        let count = |name: &str| summary["counts"][name].as_u64().unwrap();
        assert!(output.status.success(), "{summary}");
        // The calls that the end of the run cuts short dial less.
        assert!(count("dtmf_sent") >= 15 && count("dtmf_sent") <= 30, "{summary}");
        assert_eq!((count("dtmf_heard"), count("dtmf_wrong")), (count("dtmf_sent"), 0), "{summary}");
        assert_eq!([count("rtp_lost"), count("rtp_misrouted"), count("stray")], [0; 3], "{summary}");
    }
}

/// What `GET /metrics` says, if anybody answers.
fn scraped(at: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(at).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

#[test]
fn prometheus_sees_a_run_while_it_goes_on_and_its_last_word_in_a_file() {
    let (at, folder) = (free_address(), tempfile::tempdir().unwrap());
    let metrics = std::net::TcpListener::bind("127.0.7.5:0").unwrap().local_addr().unwrap().to_string();
    let file = folder.path().join("loadtest.prom");
    let who = format!("at={at},ring=5ms,answer=5ms,busy=50%");
    let mut command = Command::new(PROGRAM);
    command.args([
        "run",
        "--target",
        &at,
        "--cps",
        "40",
        "--for",
        "60s",
        "--late-max",
        "10s",
        "--media",
        "0%",
        "--talk",
        "50ms",
    ]);
    command.args([
        "--until-stdin-closes",
        "--live-json",
        "--metrics",
        &metrics,
        "--metrics-out",
        file.to_str().unwrap(),
    ]);
    command.args(["--terminator", &who]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.split(' ').next() == Some(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    let failed = "tandem_loadtest_failed_total{code=\"486\"}";
    let seen = loop {
        let text = scraped(&metrics).unwrap_or_default();
        if value(&text, failed).is_some_and(|failed| failed >= 10.0) {
            break text;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was seen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    };
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let last = std::fs::read_to_string(file).unwrap();
    for text in [&seen, &last] {
        let of = |name: &str| value(text, &format!("tandem_loadtest_{name}")).unwrap();
        assert!(of("offered_total") >= of("started_total") && of("started_total") >= of("answered_total"), "{text}");
        assert_eq!(of("ringing_seconds_count"), of("ringing_seconds_bucket{le=\"+Inf\"}"), "{text}");
        assert!(of("ringing_seconds_sum") > 0.0 && of("skipped_total") == 0.0, "{text}");
    }
    let of = |name: &str| value(&last, &format!("tandem_loadtest_{name}")).unwrap();
    let ends = of("answered_total") + value(&last, failed).unwrap() + of("cancelled_total");
    assert_eq!((of("started_total"), of("concurrent")), (ends, 0.0), "{last}");
}

#[test]
fn refusals_and_cancels_are_counted_by_code_and_are_no_fault() {
    let at = free_address();
    let who = format!("name=bad,at={at},answer=5s,busy=30%,flaky=30%");
    let (output, summary) =
        run(&at, &["--cps", "50", "--for", "2s", "--cancel", "100%", "--cancel-after", "300ms", "--terminator", &who]);
    assert!(output.status.success(), "{output:?}");
    for code in ["486", "503", "487"] {
        assert!(summary["codes"][code].as_u64().unwrap_or(0) > 5, "{code}: {summary}");
    }
    assert_eq!(summary["counts"]["answered"], 0);
}

#[test]
fn terminators_ask_for_names_change_calls_and_speak_before_they_answer() {
    let at = free_address();
    let who = format!(
        "name=odd,at={at},ring=20ms,answer=300ms,early=100%,reinvite=150ms,auth=joe:secret,causes=404:10%,moved=10%"
    );
    let usual = ["--cps", "20", "--for", "1500ms", "--arrivals", "constant", "--talk", "400ms", "--media", "100%"];
    let more = ["--caller-releases", "50%", "--drain", "3s", "--terminator", &who, "--originator"];
    let (output, summary) = run(&at, &[&usual[..], &more, &["from=127.0.0.1,auth=joe:secret"]].concat());
    let count = |name: &str| summary["counts"][name].as_u64().unwrap();
    assert!(output.status.success(), "{summary}");
    assert_eq!((count("proved"), count("unproved"), count("unrefreshed")), (30, 0, 0), "{summary}");
    assert_eq!(summary["codes"]["404"].as_u64().unwrap() + summary["codes"]["302"].as_u64().unwrap(), count("refused"));
    assert!(count("refreshed") >= count("answered"), "{summary}");
    assert_eq!([count("rtp_lost"), count("rtp_misrouted"), count("rtp_silent_ends")], [0, 0, 0]);
    // Media flows from the ring on: 300 ms more than the talk.
    assert!(count("rtp_received") > count("answered") * 50, "{summary}");
    let (output, summary) = run(&at, &[&usual[..], &more, &["from=127.0.0.1,auth=joe:guessed"]].concat());
    assert!(output.status.success(), "{summary}");
    assert_eq!(
        (&summary["codes"]["403"], &summary["counts"]["unproved"]),
        (&Value::from(30), &Value::from(30)),
        "{summary}"
    );
}

#[test]
fn terminators_are_too_quick_slow_or_dead_and_keep_calls_alive() {
    let play = |manner: &str| {
        let at = free_address();
        let who = format!("at={at},{manner}");
        let usual = ["--cps", "20", "--for", "1s", "--arrivals", "constant", "--talk", "600ms", "--media", "0%"];
        let (output, summary) = run(&at, &[&usual[..], &["--drain", "1s", "--terminator", &who]].concat());
        let of = ["answered", "refreshed", "unrefreshed", "resent", "abandoned"];
        (output.status.code(), of.map(|name| summary["counts"][name].as_u64().unwrap()))
    };
    // Answered at once, where everybody else would still ring when the run ends; by the session timer each is offered anew.
    let (code, [answered, refreshed, unrefreshed, ..]) = play("manner=fas,ring=60s,answer=60s,timer=200ms");
    assert_eq!((code, unrefreshed), (Some(0), 0));
    assert!(answered >= 10 && refreshed >= 10, "{answered} answered, {refreshed} refreshed");
    // Nothing is heard before T1 is over: whoever was answered had to ask again.
    let (code, [answered, .., resent, _]) = play("delay=uniform:600ms-700ms,ring=0ms,answer=0ms");
    assert_eq!(code, Some(0));
    assert!(answered > 0 && resent >= answered, "{answered} answered, {resent} sent again");
    let (code, [answered, .., abandoned]) = play("dead=50%,ring=0ms,answer=0ms");
    assert_eq!(code, Some(1), "a call without a final response is a fault");
    assert!(answered > 0 && abandoned > 0, "{answered} answered, {abandoned} abandoned");
}

#[test]
fn an_overload_that_the_switch_does_not_carry_is_a_breach() {
    let at = free_address();
    let overload = |who: &str, late_max: &str| {
        let mut command = Command::new(PROGRAM);
        command.args(["overload", "--target", &at, "--capacity", "20", "--hold", "300ms", "--late-max", late_max]);
        command.args(["--media", "0%", "--talk", "5ms", "--terminator", who]).output().unwrap()
    };
    let output = overload(&format!("at={at},ring=0ms,answer=1ms"), "0s");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("BREACH") && text.contains("generator itself was late"), "{text}");
    assert!(text.contains("answers at 5 times the capacity") && text.contains("established calls kept"), "{text}");
}

#[test]
fn a_target_that_says_nothing_is_a_fault() {
    let silent = UdpSocket::bind("127.0.7.2:0").unwrap();
    let at = silent.local_addr().unwrap().to_string();
    let (output, summary) = run(&at, &["--cps", "20", "--for", "500ms", "--drain", "1s"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(summary["counts"]["abandoned"].as_u64().unwrap() > 0, "{summary}");
    assert!(summary["counts"]["resent"].as_u64().unwrap() > 0, "{summary}");
}

#[test]
fn a_service_level_not_met_is_exit_code_three() {
    let at = free_address();
    let who = format!("at={at},answer=100ms");
    let (output, summary) =
        run(&at, &["--cps", "20", "--for", "1s", "--talk", "10ms", "--slo", "answer.p50<1ms", "--terminator", &who]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(summary["breaches"].as_array().unwrap().len(), 1);
}

/// A callee that stands still for five of fourteen seconds at 500 calls a second; a third of that unless `FROZEN_CPS=500`.
#[test]
fn a_callee_that_stands_still_leaves_no_planned_call_unaccounted_for() {
    let cps: u64 = std::env::var("FROZEN_CPS").map_or(150, |cps| cps.parse().unwrap());
    let (span, frozen) = if cps < 500 { (4, "frozen=1500ms@1s") } else { (14, "frozen=5s@4s") };
    let at = free_address();
    let who = format!("at={at},ring=5ms,answer=20ms,{frozen}");
    let length = format!("{span}s");
    let arguments = ["--cps", &cps.to_string(), "--for", &length, "--arrivals", "constant", "--drain", "40s"];
    let (output, summary) =
        run(&at, &[&arguments[..], &["--media", "0%", "--talk", "300ms", "--terminator", &who]].concat());
    let count = |name: &str| summary["counts"][name].as_u64().unwrap();
    assert_eq!(output.status.code(), Some(0), "{summary}");
    assert_eq!((summary["planned"].as_u64().unwrap(), count("placed")), (cps * span, cps * span));
    let ends = ["completed", "refused", "cancelled", "unheard", "abandoned"].map(count);
    assert_eq!(ends.iter().sum::<u64>(), cps * span, "{ends:?}");
    eprintln!("planned {}: completed, refused, cancelled, unheard, abandoned: {ends:?}", cps * span);
    assert!(summary["latencies"]["answer_planned"]["max_ms"].as_f64().unwrap() > 1_000.0, "{summary}");
    assert!(count("resent") > cps, "nobody noticed that the callee stood still: {summary}");
    assert!(
        summary["latencies"]["lateness"]["p50_ms"].as_f64().unwrap() < 1_000.0,
        "the callers waited too: {summary}"
    );
}

#[test]
fn a_late_generator_is_told_from_a_slow_switch_by_its_own_lateness() {
    let at = free_address();
    let who = format!("at={at},answer=20ms");
    let arguments = ["run", "--target", &at, "--cps", "50", "--for", "1s", "--late-max", "0s", "--terminator", &who];
    let output = Command::new(PROGRAM).args(arguments).args(["--media", "0%"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("INVALID") && text.contains("lateness of the generator:"), "{text}");
}

#[test]
fn a_run_is_placed_again_at_the_moments_that_its_own_lines_name() {
    let at = free_address();
    let folder = tempfile::tempdir().unwrap();
    let [first, second] =
        ["first.ndjson.zst", "second"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let who = format!("at={at},ring=5ms,answer=5ms");
    let usual = ["--media", "0%", "--talk", "50ms", "--terminator", &who];
    let (output, once) = run(&at, &[&usual[..], &["--cps", "60", "--for", "1s", "--calls-out", &first]].concat());
    assert!(output.status.success(), "{once}");
    let trace = format!("trace:{first}");
    let (output, again) = run(&at, &[&usual[..], &["--arrivals", &trace, "--calls-out", &second]].concat());
    assert!(output.status.success(), "{again}");
    assert_eq!(once["planned"], again["planned"]);
    let gaps = |path: &str| {
        let text = told(path);
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut moments: Vec<u64> = lines.map(|line| line["planned_us"].as_u64().unwrap()).collect();
        moments.sort_unstable();
        moments.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    };
    // The clock's reading is cut to microseconds on its way out and in again.
    let (first, second) = (gaps(&first), gaps(&second));
    assert!(first.iter().zip(&second).all(|(a, b)| a.abs_diff(*b) <= 2), "{first:?} {second:?}");
}

#[test]
fn the_highest_rate_within_a_level_is_found_confirmed_and_held() {
    let at = free_address();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("found.json");
    let who = format!("at={at},ring=1ms,answer=2ms");
    let find = |more: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args([
            "find-max", "--target", &at, "--hold", "300ms", "--soak", "300ms", "--media", "0%", "--talk", "5ms",
        ]);
        command.args(["--late-max", "10s", "--terminator", &who, "--summary", path.to_str().unwrap()]).args(more);
        command.output().unwrap()
    };
    let output = find(&["--rfc7502", "--from", "20", "--cps-max", "40"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let found: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((&found["best_cps"], &found["soaked"]), (&Value::from(40.0), &Value::Bool(true)), "{text}");
    let output = find(&["--slo", "answer.p50<1ms", "--from", "4"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(find(&[]).status.code(), Some(2), "without a level there is nothing to find");
}

/// Books in which nothing stands: every answered call is missed, and the key is not told to whoever reads the summary.
#[test]
fn books_that_know_nothing_of_the_calls_are_a_fault() {
    let listener = std::net::TcpListener::bind("127.0.7.4:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = std::io::BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while std::io::BufRead::read_line(&mut asked, &mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let body = "{\"data\":[]}";
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            std::io::Write::write_all(&mut stream, format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    let at = free_address();
    let who = format!("at={at},ring=5ms,answer=5ms");
    let books = ["--reconcile", &url, "--key", "secret", "--reconcile-wait", "0s"];
    let usual = ["--cps", "20", "--for", "500ms", "--media", "0%", "--talk", "20ms", "--terminator", &who];
    let (output, summary) = run(&at, &[&usual[..], &books].concat());
    assert_eq!(output.status.code(), Some(1), "{summary}");
    let found = &summary["reconciled"];
    assert_eq!((&found["wrong"], &found["collected"]), (&found["expected"], &Value::from(0)), "{summary}");
    assert_eq!(found["expected"], summary["planned"]);
    assert!(!summary.to_string().contains("secret"), "{summary}");
}

#[test]
fn the_switchs_metrics_stand_beside_the_calls_with_what_was_done_to_it() {
    let listener = std::net::TcpListener::bind("127.0.7.6:0").unwrap();
    let url = format!("http://{}/metrics#shed_total", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (turn, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut asked = std::io::BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while std::io::BufRead::read_line(&mut asked, &mut line).is_ok_and(|length| length > 2) {
                line.clear();
            }
            let body = format!("shed_total{{shard=\"0\"}} {turn}\nwaits_bucket{{le=\"1\"}} {turn}\nstays 7\n");
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            std::io::Write::write_all(&mut stream, format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    let (at, folder) = (free_address(), tempfile::tempdir().unwrap());
    let who = format!("at={at},ring=5ms,answer=5ms");
    let usual = ["--cps", "20", "--for", "1500ms", "--media", "0%", "--talk", "20ms", "--terminator", &who];
    let more = ["--mark", "cable pulled@500ms", "--out", folder.path().to_str().unwrap(), "--observe"];
    let (output, summary) = run(&at, &[&usual[..], &more, &[&url]].concat());
    assert!(output.status.success(), "{summary}");
    let moved = summary["observed"].as_array().unwrap();
    let shed = moved.iter().find(|row| row["name"] == "shed_total{shard=\"0\"}").unwrap();
    assert!(shed["last"].as_f64() > shed["first"].as_f64(), "{shed}");
    let others = |row: &&Value| row["name"] == "stays" || row["name"].as_str().unwrap().starts_with("waits");
    assert_eq!(moved.iter().filter(others).count(), 0, "what stays, and buckets, are not told: {moved:?}");
    let tune = std::path::Path::new(PROGRAM).with_file_name("tandem-tune");
    assert_eq!(
        summary["host"].as_str().is_some_and(|line| line.starts_with("host as lab")),
        tune.exists(),
        "{summary}"
    );
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for part in ["<h2>shed_total</h2>", "cable pulled", "Cores of this machine", "All metrics that moved"] {
        assert!(page.contains(part), "{part}");
    }
    let (output, _) = run(&at, &[&usual[..], &["--observe", "http://127.0.7.6:1/metrics"]].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("cannot ask http://127.0.7.6:1/metrics"), "{said}");
}

#[test]
fn everything_about_a_run_stands_in_one_folder_and_two_folders_are_compared() {
    let at = free_address();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let play = |name: &str, who: &str| {
        let usual = ["--cps", "120", "--for", "1500ms", "--media", "0%", "--talk", "30ms", "--slo", "answer.p50<60ms"];
        run(&at, &[&usual[..], &["--terminator", &format!("at={at},ring=5ms,{who}"), "--out", &place(name)]].concat()).0
    };
    assert!(play("before", "answer=10ms").status.success());
    assert_eq!(play("after", "answer=80ms,busy=30%").status.code(), Some(3));
    let read = |name: &str| std::fs::read_to_string(place(name)).unwrap();
    let page = read("after/report.html");
    for part in
        ["Not as asked for", "<svg", "Percentiles", "over time", "486 (INVITE)", "caller ◀─", "--seed 7", "Cores of"]
    {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("http://") && !page.contains("<script"), "the page needs something else");
    let revision = serde_json::from_str::<Value>(&read("after/summary.json")).unwrap()["revision"].clone();
    let revision = revision.as_str().unwrap();
    let named = revision.len() == 12 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!((named || revision == "unknown") && page.contains(&format!("({revision})")), "{revision}");
    let lines = told(&place("after/calls.ndjson.zst")).lines().count() as u64;
    // Both ends of ten calls: what the caller heard last is the refusal, and it acknowledged it.
    let tshark = |filter: &str| {
        let words = ["-r", &place("after/failures.pcapng"), "-Y", filter, "-T", "fields", "-e", "frame.comment"];
        let output = Command::new("tshark").args(words).output().expect("tshark is installed");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    for end in ["callers", "callees"] {
        for message in ["sip.Method == INVITE", "sip.Status-Code == 486", "sip.Method == ACK"] {
            let told = tshark(&format!("frame.interface_name == {end} && {message}"));
            assert!(
                told.len() == 10 && told.iter().all(|told| told.ends_with(": 486, refused")),
                "{end} {message}: {told:?}"
            );
        }
    }
    let cases = read("after/junit.xml");
    assert!(cases.contains("failures=\"1\"") && cases.contains("answer p50"), "{cases}");
    assert!(read("before/junit.xml").contains("failures=\"0\""));
    assert_eq!(serde_json::from_str::<Value>(&read("before/summary.json")).unwrap()["schema"], 8);
    let failures = serde_json::from_str::<Value>(&read("after/summary.json")).unwrap()["failures"].clone();
    let failed = failures.as_array().unwrap().iter().map(|row| row["calls"].as_u64().unwrap()).sum::<u64>();
    assert!(failed > 10 && page.contains("What failed, and where"), "{failures}");
    assert_eq!(serde_json::from_str::<Value>(&read("after/summary.json")).unwrap()["counts"]["placed"], lines);
    assert_eq!((&failures[0]["code"], &failures[0]["terminator"]), (&486.into(), &at.as_str().into()), "{failures}");

    let compare = |before: &str, after: &str| {
        let words = ["compare", &place(before), &place(after), "--report", &place("compared.html")];
        let output = Command::new(PROGRAM).args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = compare("before", "after");
    assert_eq!(code, Some(3), "{text}");
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(row("answer p50").contains("WORSE") && row("share of refused").contains("WORSE"), "{text}");
    let page = read("compared.html");
    for part in ["<h2>answer</h2><svg", ">before<", ">after<", "WORSE"] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(compare("before", "before").0, Some(0));
    assert_eq!(compare("before", "nowhere").0, Some(1));
}

#[test]
fn a_profile_is_played_and_the_summary_says_all_of_its_words() {
    let (at, folder) = (free_address(), tempfile::tempdir().unwrap());
    let path = folder.path().join("load.toml");
    let text = format!(
        "cps = 20\nfor = \"500ms\"\nmedia = \"none\"\ntalk = \"10ms\"\nlate-max = \"1s\"\n\n[[terminator]]\nat = \"{at}\"\nring = \"1ms\"\n\
         answer = \"1ms\"\n\n[[originator]]\nname = \"acme\"\nauth = \"joe:secret\"\n"
    );
    std::fs::write(&path, &text).unwrap();
    let profile = path.to_str().unwrap();
    let (output, summary) = run(&at, &["--profile", profile, "--arrivals", "constant"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(summary["planned"], 10);
    let command = summary["command"].to_string();
    assert!(
        command.contains("--for=500ms") && command.contains("auth=joe:…") && !command.contains("secret"),
        "{command}"
    );
    std::fs::write(&path, text + "colour = \"red\"\n").unwrap();
    let (output, _) = run(&at, &["--profile", profile]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("load.toml:15: an originator has no 'colour'"), "{said}");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/profiles/wholesale.toml");
    let (output, summary) = run(&at, &["--profile", shipped, "--for", "300ms", "--terminator", &format!("at={at}")]);
    assert!(output.status.success() && summary["command"].to_string().contains("--called=44207:3"), "{output:?}");
}

#[test]
fn a_public_target_is_refused_and_nonsense_is_a_misuse() {
    let code = |arguments: &[&str]| Command::new(PROGRAM).args(arguments).output().unwrap().status.code();
    assert_eq!(code(&["run", "--target", "192.0.2.1:5060"]), Some(2));
    assert_eq!(code(&["run", "--target", "127.0.0.1:5060", "--talk", "gauss:3s"]), Some(2));
    assert_eq!(code(&["run"]), Some(2));
}

#[test]
fn a_parent_that_goes_away_ends_the_run_with_every_call_released() {
    let at = free_address();
    let who = format!("at={at},ring=10ms,answer=20ms");
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--target", &at, "--live-json", "--until-stdin-closes", "--for", "600s", "--talk", "500s"]);
    command.args(["--late-max", "10s", "--cps", "30", "--media", "0%", "--terminator", &who]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let parsed = lines.by_ref().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
    let mut stdin = child.stdin.take();
    let mut summary = Value::Null;
    for line in parsed {
        if line["counts"]["answered"].as_u64().unwrap_or(0) > 10 {
            stdin = None;
        }
        summary = line;
    }
    assert!(stdin.is_none());
    assert!(child.wait().unwrap().success(), "{summary}");
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["counts"]["answered"], summary["counts"]["completed"]);
    assert_eq!(summary["callees_left"], 0);
}

/// Callers whom nobody answers would be waited for until the drain is over; who asks twice waits for nobody.
#[test]
fn a_run_that_is_told_twice_to_end_ends_at_once_and_accounts_for_every_call() {
    let at = free_address();
    let mut command = Command::new(PROGRAM);
    command.args(["run", "--target", &at, "--live-json", "--for", "600s", "--drain", "600s", "--late-max", "10s"]);
    command.args(["--cps", "20", "--terminator", &format!("at={at},dead=100%")]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut summary = Value::Null;
    for line in lines {
        summary = serde_json::from_str(&line.unwrap()).unwrap();
        if summary["counts"]["placed"].as_u64().unwrap_or(0) > 10 {
            assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(1), "calls without an end are a fault");
    assert_eq!(summary["type"], "summary");
    let ends = ["completed", "refused", "cancelled", "unheard", "abandoned"];
    let ended: u64 = ends.iter().filter_map(|name| summary["counts"][name].as_u64()).sum();
    assert_eq!(ended, summary["counts"]["placed"].as_u64().unwrap(), "{summary}");
    assert!(summary["unplaced"].as_u64().unwrap() > 0, "{summary}");
}

#[test]
fn a_full_disk_costs_the_files_and_not_the_result() {
    let at = free_address();
    let who = format!("at={at},ring=1ms,answer=1ms");
    let usual = ["--cps", "20", "--for", "1s", "--talk", "10ms", "--media", "0%", "--terminator", &who];
    let (output, summary) = run(&at, &[&usual[..], &["--calls-out", "/dev/full"]].concat());
    assert_eq!((output.status.code(), &summary["type"]), (Some(1), &Value::from("summary")), "{output:?}");
    let faults = summary["faults"].to_string();
    assert!(faults.contains("cannot write the calls: No space left"), "{summary}");
    assert!(summary["counts"]["completed"].as_u64().unwrap() > 5, "{summary}");
}

#[test]
fn a_level_without_its_unit_is_a_misuse() {
    for (level, told) in [("answer.p99<50", "50ms, or 50s"), ("answers.p99<50ms", "is no latency: ")] {
        let output = Command::new(PROGRAM).args(["run", "--target", "127.0.0.1:9", "--slo", level]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && error.contains(told), "{level}: {error}");
    }
}
