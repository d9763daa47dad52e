//! Money that comes in mid-call: the call goes on to its natural end, one of another account without a payment ends with its paid time.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use acceptance::books::{Record, exact, nanos};
use acceptance::sipp::{Scenario, Sipp};
use acceptance::switch::{SIP, Switch, declaration};
use acceptance::{Net, PATIENCE, until};
use units::Cause;

/// A second costs 0.0002: this is worth five of them, the least that a call begins with.
const FIVE_SECONDS: &str = "0.0010";
/// How long both callers want to talk.
const TALK_MS: u64 = 7_000;
/// A payment that is booked so soon after the answer is heard of before five seconds are over.
const HEARD_IN_TIME: Duration = Duration::from_secs(2);

/// Two originators beside the usual one, each with a prepaid account worth five seconds.
fn declared(net: Net) -> String {
    let mut text = declaration(net);
    let mut add = |section: &str, lines: &str| {
        let at = text.find(section).expect("it is declared") + section.len();
        text.insert_str(at, lines);
    };
    for (code, host) in [("paid", 4), ("poor", 5)] {
        add("carriers:\n", &format!("  - {{ code: {code}, name: {code} }}\n"));
        let mut account = format!("  - code: {code}\n    carrier: {code}\n    currency: USD\n    kind: prepaid\n");
        let _ = writeln!(account, "    payments:\n      - {{ reference: {code}-1, amount: \"{FIVE_SECONDS}\" }}");
        add("accounts:\n", &account);
        let trunk = format!("  - {{ code: {code}, carrier: {code}, account: {code}, sources: [{}]", net.host(host));
        add("ingress_trunks:\n", &format!("{trunk}, plan: main, sell_deck: sell }}\n"));
    }
    text
}

#[test]
fn a_paid_call_goes_on_and_an_unpaid_one_ends_with_its_money() {
    // Where the payment itself took longer than the money lasts, the switch was never asked.
    until(5 * PATIENCE, "the payment is booked while the call talks", told);
}

/// The whole story; nothing when the payment came too late.
fn told() -> Option<()> {
    let net = Net::draw();
    let switch = Switch::up_as(net, &declared(net), None);
    let _terminator = switch.taking(&[]);
    let call = |host| {
        let words = [&switch.sip().to_string(), "-s", "4420790012", "-m", "1", "-d", &TALK_MS.to_string()];
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        Sipp::start(switch.folder(), (net.host(host), SIP).into(), Scenario::BuiltIn("uac"), &words)
    };
    let (paid, _poor) = (call(4), call(5));
    until(PATIENCE, "a call talks", || (switch.counter("calls_answered") > 0).then_some(()));
    let talking = Instant::now();
    switch.pay("paid", "0.5000", "mid-call");
    let soon = talking.elapsed() < HEARD_IN_TIME;
    if !soon {
        eprintln!("the payment took {:?}", talking.elapsed());
        return None;
    }
    paid.all_calls_succeed();
    let records = switch.collected(2);
    exact(&records);
    let of = |code: &str| -> &Record {
        records.iter().find(|record| record.text("originator") == code).expect("each call has its record")
    };
    let (went_on, ended) = (of("paid"), of("poor"));
    assert_eq!((went_on.text("released_by"), went_on.number("cause")), ("ingress", u64::from(Cause::NORMAL.0)));
    // SIPp counts from its last reading of the clock, and looks at it when it has a core.
    assert!((TALK_MS - 1_500..TALK_MS + 60_000).contains(&went_on.number("duration_ms")), "{went_on:#?}");
    assert_eq!((ended.text("released_by"), ended.number("cause")), ("switch", u64::from(Cause::MONEY_EXHAUSTED.0)));
    assert_eq!(ended.number("duration_ms"), 5_000, "to the end of paid time and not a millisecond longer");
    let price = nanos("0.0002") * went_on.number("duration_ms").div_ceil(1_000) as i64;
    switch.charged_of("paid", "0.5010", price);
    switch.charged_of("poor", FIVE_SECONDS, nanos(FIVE_SECONDS));
    Some(())
}
