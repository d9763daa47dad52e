//! SIPp's own scenarios, unmodified, at both sides: every call succeeds, has its record and costs exactly what its rate says.

use std::process::Command;

use acceptance::books::{Record, exact, nanos};
use acceptance::database::MariaDb;
use acceptance::screen::Screen;
use acceptance::switch::Switch;
use acceptance::{PATIENCE, program, until};

/// Called number, calls, calls a second, milliseconds of talk, and what that costs by hand: two seconds at 0.0120; thirty seconds at 0.0250
/// and a fee of 0.01; six seconds at 0.0090 and a fee of 0.005.
const RUNS: [(&str, u32, u32, u32, &str); 3] = [
    ("4420790012", 500, 100, 1_200, "0.0004"),
    ("447700900123", 300, 100, 700, "0.0225"),
    ("4930123456", 200, 100, 2_000, "0.0059"),
];

fn thousand_calls(switch: &Switch) {
    let _terminator = switch.taking(&[]);
    for (called, calls, cps, talk_ms, _) in RUNS {
        switch.calling(calls, cps, talk_ms, called, &[]).all_calls_succeed();
    }
    let records = switch.collected(1_000);
    assert_eq!(records.len(), 1_000, "no call has a record too many");
    for (called, calls, _, talk_ms, by_hand) in RUNS {
        let of: Vec<&Record> = records.iter().filter(|record| record.text("called_routed") == called).collect();
        assert_eq!(of.len(), calls as usize, "calls to {called}");
        let mut as_asked = 0;
        for record in of {
            let (ms, asked) = (record.number("duration_ms"), u64::from(talk_ms));
            // SIPp counts a pause from its last reading of the clock, and ends it when it has a core.
            assert!(record.answered() && (asked / 3..asked + 60_000).contains(&ms), "SIPp talked: {record:#?}");
            if (asked - 150..asked + 700).contains(&ms) {
                as_asked += 1;
                assert_eq!(record.0["sell"]["price"].as_str().map(nanos), Some(nanos(by_hand)), "{record:#?}");
            }
            assert_eq!((record.text("originator"), record.text("terminator")), ("acme", "oria"));
            assert_eq!((record.number("sip_status"), record.text("released_by")), (200, "ingress"));
        }
        assert!(as_asked > 0, "some of the calls to {called} lasted {talk_ms} ms");
    }
    switch.charged(exact(&records));
}

#[test]
fn a_thousand_calls_on_sqlite() {
    thousand_calls(&Switch::up(None));
}

#[test]
fn calls_over_tcp_are_recorded_and_charged_like_others() {
    let switch = Switch::up(None);
    let _terminator = switch.taking(&[]);
    switch.calling(100, 50, 1_200, "447700900123", &["-t", "t1"]).all_calls_succeed();
    let records = switch.collected(100);
    assert!(records.len() == 100 && records.iter().all(Record::answered));
    switch.charged(exact(&records));
    an_operator_looks_at_them(&switch, "447700900123");
    an_operator_watches_the_node(&switch);
    nobody_changes_a_node_that_was_not_chosen(&switch);
}

/// Of the node that was started last and the one that runs, either may be meant: whoever changes something must say which.
fn nobody_changes_a_node_that_was_not_chosen(switch: &Switch) {
    let (home, running) = (switch.folder().join("home"), switch.folder().join("data"));
    let last = home.join("last");
    std::fs::create_dir_all(last.join("snapshots")).expect("a data folder");
    std::fs::create_dir_all(home.join("tandem")).expect("a folder");
    std::fs::write(home.join("tandem/folder"), last.display().to_string()).expect("what is remembered");
    let tandem = |words: &[&str]| {
        let mut command = Command::new(program("tandem"));
        command.args(words).env("XDG_STATE_HOME", &home).env_remove("TANDEM_DATA").output().expect("tandem starts")
    };
    let refused = tandem(&["node", "drain"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{why}");
    let running = running.canonicalize().expect("the node's folder").display().to_string();
    assert!(why.contains(&running) && why.contains("--data"), "{why}");
    let figures = switch.tandem(&["top", "--once", "-o", "json"]);
    assert_eq!(figures["draining"].as_bool(), Some(false), "it takes calls");
    let drained = tandem(&["node", "drain", "--data", &running]);
    assert!(drained.status.success(), "{}", String::from_utf8_lossy(&drained.stderr));
    let figures = switch.tandem(&["top", "--once", "-o", "json"]);
    assert_eq!(figures["draining"].as_bool(), Some(true), "the one that was named");
}

/// The command line tells of the node and of its calls without a terminal.
fn an_operator_looks_at_them(switch: &Switch, called: &str) {
    let top = switch.tandem(&["top", "--once", "-o", "json"]);
    assert_eq!(
        (top["data_plane_up"].as_bool(), top["shards"].as_array().map(Vec::len)),
        (Some(true), Some(2)),
        "{top}"
    );
    let codes: Vec<&str> =
        top["trunks"].as_array().into_iter().flatten().filter_map(|trunk| trunk["code"].as_str()).collect();
    assert!(!codes.is_empty() && codes.iter().all(|code| !code.starts_with('#')), "trunks have their names: {top}");
    let newest = switch.tandem(&["trace", called, "-o", "json"]);
    let call = newest["call"]["call"].as_str().expect("the call's id");
    assert_eq!(newest["call"]["called_routed"].as_str(), Some(called));
    let same = switch.tandem(&["trace", call, "-o", "json"]);
    assert_eq!((&same["call"], &same["decision"]), (&newest["call"], &newest["decision"]));
    assert!(same["verdict"].as_str().is_some_and(|verdict| verdict.starts_with("Answered by oria")), "{same}");
    let by_header = newest["call"]["ingress_call_id"].as_str().expect("its Call-ID");
    assert_eq!(switch.tandem(&["trace", by_header, "-o", "json"])["call"]["call"].as_str(), Some(call));
}

/// On a terminal that a foreign program plays: drawn, told to show something else, made small, ended.
fn an_operator_watches_the_node(switch: &Switch) {
    let (tandem, data) = (program("tandem").display().to_string(), switch.folder().join("data").display().to_string());
    let screen = Screen::start((100, 40), switch.folder(), &[&tandem, "top", "--every", "300ms", "--data", &data]);
    let shows = |what: &[&str]| {
        until(PATIENCE, &format!("the screen shows {what:?}"), || {
            let text = screen.text();
            what.iter().all(|word| text.contains(word)).then_some(())
        });
    };
    shows(&["tandem top", " CPS ", "carrier ", "oria", "shard ", "q quit"]);
    screen.press(&["Tab"]);
    shows(&["trunk ", "side", "oria"]);
    screen.press(&["p"]);
    shows(&["PAUSED"]);
    screen.resize(30, 8);
    until(PATIENCE, "everything fits into a small terminal", || {
        let text = screen.text();
        let fits = text.lines().all(|line| line.chars().count() <= 30);
        (fits && text.contains("tandem top") && text.contains("q quit")).then_some(())
    });
    screen.press(&["q"]);
    assert_eq!(until(PATIENCE, "it ends", || screen.ended()), 0);
}

#[test]
fn a_thousand_calls_on_mariadb() {
    let server = MariaDb::start();
    thousand_calls(&Switch::up(Some(server.url())));
}
