//! A trunk that begins to refuse everything under load: within two seconds it gets hardly any calls, they go on elsewhere, and once it is
//! well it gets all of them again. Another one, which answers nobody, rests and is tested a call at a time. SIPp plays every end.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use acceptance::books::{Line, Record, SELL};
use acceptance::sipp::{Scenario, Sipp};
use acceptance::switch::{PAID, SIP, Switch, deck};
use acceptance::{Net, PATIENCE, is_taken, scenario, until};

/// Calls a second to the trunk that turns sick, and for how many seconds; to the one that answers nobody a sixth of it.
const CPS: u64 = 60;
/// Seconds of calls before it turns sick, while it is, and after.
const WELL_S: u64 = 4;
const SICK_S: u64 = 9;
const AGAIN_S: u64 = 11;
const ALL_S: u64 = WELL_S + SICK_S + AGAIN_S;
/// By when a sick trunk gets hardly any calls (F-11), and a well one all of them.
const THROTTLED_WITHIN_S: u64 = 2;
const WELL_WITHIN_S: u64 = 8;
/// What the resting trunk may get in so many seconds: its window, one rest of five seconds after the other with three test calls each, and
/// those that were on their way.
fn resting_max(seconds: u64) -> usize {
    10 + 3 * (1 + seconds as usize / 5) + 10
}

/// Cheaper than [`acceptance::books::BUY`], so that its trunk is tried first.
const CHEAP: &[Line] = &[Line { prefix: "44", per_minute: "0.0030", fee: "0", minimum_s: 1, step_s: 1 }];
const CHEAP_49: &[Line] = &[Line { prefix: "49", per_minute: "0.0030", fee: "0", minimum_s: 1, step_s: 1 }];
const SOUND: &[Line] = &[
    Line { prefix: "44", per_minute: "0.0060", fee: "0", minimum_s: 1, step_s: 1 },
    Line { prefix: "49", per_minute: "0.0060", fee: "0", minimum_s: 1, step_s: 1 },
];

/// A terminator that answers nobody.
const REFUSES: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<scenario name=\"refuses\">\n{heard}\n\
                       {refuse|500 Server Internal Error}\n</scenario>\n";

/// Trunk, host, deck, policy.
const TRUNKS: [(&str, u8, &str, &str); 3] = [
    ("turning", 3, "turning-buy", ", policy: { throttle: { percent: 50 } }"),
    (
        "resting",
        4,
        "resting-buy",
        ", policy: { floors: { asr_min_percent: 50, calls_min: 10, rest_s: 5, test_calls: 3, test_per_minute: 60 } }",
    ),
    ("sound", 5, "sound-buy", ""),
];

fn declaration(net: Net) -> String {
    let mut text = format!(
        "carriers:\n  - {{ code: acme }}\n  - {{ code: oria }}\naccounts:\n  - code: acme\n    carrier: acme\n    currency: USD\n    \
         kind: prepaid\n    payments:\n      - {{ reference: opening, amount: \"{PAID}\" }}\n  \
         - {{ code: oria, carrier: oria, currency: USD, kind: postpaid }}\ndecks:\n"
    );
    let decks = [("sell", SELL), ("turning-buy", CHEAP), ("resting-buy", CHEAP_49), ("sound-buy", SOUND)];
    decks.into_iter().for_each(|(code, lines)| deck(&mut text, code, lines));
    text.push_str("egress_trunks:\n");
    for (code, host, deck, policy) in TRUNKS {
        let address = SocketAddr::from((net.host(host), SIP));
        let _ = writeln!(
            text,
            "  - {{ code: {code}, carrier: oria, account: oria, address: \"{address}\", buy_deck: {deck}{policy} }}"
        );
    }
    text.push_str("plans:\n  - code: main\n    order: lcr\n    margin_min: \"0\"\n    routes:\n");
    TRUNKS.iter().for_each(|(code, ..)| text.push_str(&format!("      - {{ egress_trunk: {code} }}\n")));
    let _ = write!(
        text,
        "ingress_trunks:\n  - {{ code: acme, carrier: acme, account: acme, sources: [{}], plan: main, sell_deck: sell, cps: 2000 }}\n",
        net.host(2)
    );
    text
}

/// SIPp as a terminator that plays this text; it listens when this returns.
fn taking(switch: &Switch, at: SocketAddr, name: &str, text: &str) -> Sipp {
    let (from, to): (PathBuf, PathBuf) =
        (switch.folder().join(format!("{name}.txt")), switch.folder().join(format!("{name}.xml")));
    std::fs::write(&from, text).expect("the folder is writable");
    scenario::write(&from, &to);
    let words = ["-trace_msg"].map(str::to_owned);
    let sipp = Sipp::start(switch.folder(), at, Scenario::File(to), &words);
    until(PATIENCE, "the terminator listens", || is_taken("udp", at).then_some(()));
    sipp
}

fn calling(switch: &Switch, port: u16, cps: u64, called: &str) -> Sipp {
    let mut words = vec![switch.sip().to_string(), "-s".into(), called.into()];
    for (option, value) in [("-m", cps * ALL_S), ("-r", cps), ("-d", 200), ("-l", 2_000)] {
        words.extend([option.to_owned(), value.to_string()]);
    }
    Sipp::start(switch.folder(), (switch.originator(), port).into(), Scenario::BuiltIn("uac"), &words)
}

fn wall_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}

/// Second of the day when it began: `2026-01-31T12:34:56.789012Z`.
fn begun(record: &Record) -> u64 {
    let text = record.text("started");
    let part = |at: usize| text[at..at + 2].parse::<u64>().expect("a moment as RFC 3339");
    part(11) * 3_600 + part(14) * 60 + part(17)
}

/// Of the calls that began in these seconds of the day: how many the trunk was tried for, and how many there are. An attempt counts with its
/// call, which may have begun in the second before.
fn share(own: &[&Record], attempts: &[Record], trunk: &str, from_s: u64, till_s: u64) -> (usize, usize) {
    let within = |at: u64| (at + 86_400 - from_s % 86_400) % 86_400 < till_s - from_s;
    let calls: HashSet<&str> = own.iter().filter(|it| within(begun(it))).map(|it| it.text("call")).collect();
    let tried = attempts.iter().filter(|it| it.text("egress_trunk") == trunk && calls.contains(it.text("call")));
    (tried.count(), calls.len())
}

/// The terminator that turns sick, and when it does.
fn turning(switch: &Switch, at: SocketAddr) -> (Sipp, u64) {
    let turns = std::fs::read_to_string(scenario::folder().join("turns_sick_and_well.xml")).expect("it is there");
    // The moment is told before it listens: where that took too long, it is told a later one.
    until(PATIENCE, "it listens before the first call is due", || {
        let from = wall_s() + 3 + WELL_S;
        let text = turns.replace("SICK_FROM", &from.to_string()).replace("SICK_TILL", &(from + SICK_S).to_string());
        let sipp = taking(switch, at, "turning", &text);
        (wall_s() < from - WELL_S).then_some((sipp, from))
    })
}

#[test]
fn a_failing_trunk_gets_hardly_any_calls_until_it_is_well() {
    let net = Net::draw();
    let switch = Switch::up_as(net, &declaration(net), None);
    let at = |host: u8| SocketAddr::from((net.host(host), SIP));
    let _resting = taking(&switch, at(4), "resting", REFUSES);
    let _sound = switch.taking_at(at(5), &[]);
    let (turning, sick_from) = turning(&switch, at(3));
    let sick_till = sick_from + SICK_S;
    until(PATIENCE, "the calls begin in time", || (wall_s() >= sick_from - WELL_S).then_some(()));
    let callers = [calling(&switch, SIP, CPS, "4420790012"), calling(&switch, SIP + 1, CPS / 6, "4930123456")];
    callers.into_iter().for_each(Sipp::all_calls_succeed);

    let calls = (CPS + CPS / 6) * ALL_S;
    let records = until(PATIENCE, "every call has its record", || {
        let records = switch.records_and_attempts()?;
        let own = records.iter().filter(|record| record.number("attempt") == 0).count();
        (own as u64 >= calls).then_some(records)
    });
    let (own, attempts): (Vec<Record>, Vec<Record>) =
        records.into_iter().partition(|record| record.number("attempt") == 0);
    assert!(own.iter().all(Record::answered), "no caller hears of it");
    to_44(&own, &attempts, sick_from, sick_till);
    let refused = attempts.iter().filter(|it| it.text("egress_trunk") == "turning" && it.number("sip_status") == 503);
    assert_eq!(refused.count(), turning.sent("SIP/2.0 503"), "as many as SIPp says");

    let rested = attempts.iter().filter(|it| it.text("egress_trunk") == "resting").count();
    // SIPp takes longer than it should where it has to wait for a core.
    let lasted = own.iter().map(|record| (begun(record) + 86_400 - sick_from % 86_400 + WELL_S) % 86_400).max();
    let most = resting_max(lasted.unwrap_or(0).max(ALL_S));
    eprintln!("{rested} attempts by the trunk that answers nobody, {most} at most");
    assert!((10 + 3..=most).contains(&rested), "{rested} attempts by a trunk that should rest");
    let standings = switch.tandem(&["standings", "-o", "json"]);
    let state = |code: &str| {
        let mut all = standings["trunks"].as_array().expect("a list").iter();
        all.find(|row| row["egress_trunk"]["code"] == code).map(|row| row["state"].clone())
    };
    assert_eq!(state("turning"), Some("open".into()), "{standings:#}");
    assert!([Some("resting".into()), Some("testing".into())].contains(&state("resting")), "{standings:#}");
}

/// What the calls to the trunk that turns sick say.
fn to_44(own: &[Record], attempts: &[Record], sick_from: u64, sick_till: u64) {
    let own: Vec<&Record> = own.iter().filter(|it| it.text("called_routed").starts_with("44")).collect();
    let share = |from: u64, till: u64| share(&own, attempts, "turning", from, till);
    let before = share(sick_from - 2, sick_from);
    let sick = share(sick_from + THROTTLED_WITHIN_S, sick_till);
    let after = share(sick_till + WELL_WITHIN_S, sick_till + AGAIN_S);
    eprintln!("attempts by the trunk of calls: {before:?} while well, {sick:?} while sick, {after:?} when well again");
    assert!(before.0 == before.1 && before.1 > 0, "cheapest first: {before:?}");
    // A test call more or less is the edge of the window's.
    assert!(sick.1 > 0 && sick.0 * 100 <= sick.1 + 100, "below 1 % of the calls: {sick:?}");
    assert!(sick.0 > 0, "it is tested");
    assert!(after.0 == after.1 && after.1 > 0, "all calls again: {after:?}");
}
