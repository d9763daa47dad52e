//! Call flows and races of real networks, played by SIPp at both ends: each behaves as its scenario says, and leaves exactly the
//! records of the table.
#![allow(clippy::unwrap_used, reason = "a test says what it expects")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use acceptance::books::{BUY, Record, SELL, exact};
use acceptance::sipp::{Player, Scenario, Sipp};
use acceptance::switch::{PAID, SIP, Switch, deck};
use acceptance::{Net, PATIENCE, is_taken, scenario, until};

/// Calls of each flow.
const CALLS: usize = 3;
/// Flows that run at the same time.
const WORKERS: usize = 10;
/// Seconds that one end of a flow may take.
const FLOW_MAX: &str = "300s";

/// What each call of a flow leaves: its final status, its cause and who ended it; each attempt's status and cause.
type Trace = ((u64, u64, &'static str), &'static [(u64, u64)]);

/// A behaviour, what its trunks are set to (first the egress trunks, behind ` <- ` the ingress trunk), and the trace of each call;
/// `None` where nothing becomes a call.
struct Flow(&'static str, &'static str, Option<Trace>);

const GOOD: Option<Trace> = Some(((200, 16, "ingress"), &[(200, 16)]));
const BY_CALLEE: Option<Trace> = Some(((200, 16, "egress"), &[(200, 16)]));
const CANCELLED: Option<Trace> = Some(((487, 312, "ingress"), &[(0, 312)]));

/// The slow ones first, so that nobody waits for them at the end.
const FLOWS: &[Flow] = &[
    Flow("ack_lost_then_bye", "", Some(((200, 408, "switch"), &[(200, 408)]))),
    Flow(
        "silent_terminator_next_route",
        "progress_timeout_s: 1 of the first",
        Some(((200, 16, "ingress"), &[(0, 102), (200, 16)])),
    ),
    Flow("no_answer_times_out", "ring_timeout_s: 1", Some(((480, 19, "egress"), &[(0, 19)]))),
    Flow("anonymous_caller", "", GOOD),
    Flow("answer_crosses_cancel", "", CANCELLED),
    Flow("answer_without_progress", "", GOOD),
    Flow("body_of_another_kind_415", "", None),
    Flow("broken_header_400", "", None),
    Flow("broken_sdp_488", "", Some(((488, 88, "switch"), &[]))),
    Flow("busy_goes_back", "", Some(((486, 17, "egress"), &[(486, 17)]))),
    Flow("bye_before_ack", "", GOOD),
    Flow("bye_crosses_bye", "", GOOD),
    Flow("bye_in_early_dialog", "", CANCELLED),
    Flow("bye_twice", "", GOOD),
    Flow("callee_releases", "", BY_CALLEE),
    Flow("callee_releases_during_reinvite", "", BY_CALLEE),
    Flow("caller_cancels_before_progress", "", CANCELLED),
    Flow("caller_cancels_while_ringing", "", CANCELLED),
    Flow("caller_releases", "", GOOD),
    Flow("cancel_after_answer", "", GOOD),
    Flow("challenge_407_becomes_503", "", Some(((503, 21, "egress"), &[(407, 21)]))),
    Flow("compact_headers", "", GOOD),
    Flow("contact_changes_in_reinvite", "", BY_CALLEE),
    Flow("decline_603_goes_on", "", Some(((200, 16, "ingress"), &[(603, 21), (200, 16)]))),
    Flow("delayed_offer", "", GOOD),
    Flow("destination_without_rate_404", "", Some(((404, 307, "switch"), &[]))),
    Flow("early_media_183", "", GOOD),
    Flow("early_media_then_refused", "", Some(((500, 41, "egress"), &[(500, 41)]))),
    Flow("every_route_refuses", "", Some(((502, 38, "egress"), &[(503, 34), (502, 38)]))),
    Flow("folded_headers", "", GOOD),
    Flow("fork_answers_twice", "", GOOD),
    Flow("glare_491", "", GOOD),
    Flow("info_dtmf_crosses", "", GOOD),
    Flow("letters_are_no_number_404", "", Some(((404, 307, "switch"), &[]))),
    Flow("max_forwards_483", "", None),
    Flow("merged_482", "", GOOD),
    Flow("message_refused_405", "", GOOD),
    Flow("old_cseq_500", "", GOOD),
    Flow("options_in_dialog", "", GOOD),
    Flow("port_zero_media", "", GOOD),
    Flow("prack_of_nothing_481", "", GOOD),
    Flow("prack_reliable_183", "", GOOD),
    Flow("reason_header_q850", "", Some(((480, 34, "egress"), &[(480, 34)]))),
    Flow("record_route_loose", "", GOOD),
    Flow("redirect_302_not_passed_on", "", Some(((503, 127, "egress"), &[(302, 127)]))),
    Flow("refer_refused", "", GOOD),
    Flow("reinvite_from_callee", "", GOOD),
    Flow("reinvite_hold_and_resume", "", GOOD),
    Flow("reinvite_meets_481_and_ends", "", Some(((200, 102, "switch"), &[(200, 102)]))),
    Flow("reinvite_refused_goes_on", "", GOOD),
    Flow("reinvite_without_offer", "", GOOD),
    Flow("reject_503_tries_next_route", "", Some(((200, 16, "ingress"), &[(503, 34), (200, 16)]))),
    Flow("invitation_expires", "", CANCELLED),
    Flow("late_ack_ends_repeats", "", GOOD),
    Flow("retransmitted_invite_one_call", "", GOOD),
    Flow("ringing_then_503_tries_next_route", "", Some(((200, 16, "ingress"), &[(503, 34), (200, 16)]))),
    Flow("session_timer_422", "", Some(((422, 127, "ingress"), &[]))),
    Flow("session_timer_refresh", "", GOOD),
    Flow("several_183_with_different_sdp", "", GOOD),
    Flow("stray_ack", "", None),
    Flow("stray_bye_and_cancel_481", "", None),
    Flow("subscribe_refused_405", "", None),
    Flow("tel_uri", "", GOOD),
    Flow("unsupported_require_420", "", None),
    Flow("update_in_early_dialog", "", GOOD),
    Flow("update_becomes_reinvite", "", GOOD),
    Flow("update_crosses_when_up", "", GOOD),
    Flow("utf8_display_name", "", GOOD),
    Flow("wrong_tag_481", "", GOOD),
    Flow("called_number_denied_403", " <- policy: { numbers: { called_deny: [{ value: \"4930\" }] } }", DENIED),
    Flow("caller_refused_by_trunk_next_route", REFUSES_CALLER, GOOD),
    Flow("challenge_401_answered", "policy: { digest: { user: acme, realm: carrier, password: secret } }", GOOD),
    Flow("codecs_filtered", "policy: { codecs: { allow: [PCMA] } }", GOOD),
    Flow("diversion_passed", "", GOOD),
    Flow("headers_cross_and_are_added", HEADERS, GOOD),
    Flow("identity_passed_to_trusted", TRUSTED, GOOD),
    Flow("numbers_rewritten_at_both_trunks", REWRITES, GOOD),
    Flow(
        "privacy_hides_the_caller",
        "policy: { identity: { send: asserted } } <- policy: { identity: { trusted: true } }",
        GOOD,
    ),
    Flow("redirect_302_followed", "policy: { redirects_max: 1 }", GOOD),
];

const DENIED: Option<Trace> = Some(((403, 325, "switch"), &[]));
/// Behind what only the first route's trunk is set to.
const FIRST_ONLY: &str = " of the first";
const REFUSES_CALLER: &str =
    "policy: { numbers: { calling_deny: [{ kind: exact, value: \"12125550100\" }] } } of the first";
const HEADERS: &str = "policy: { headers: { pass: [X-Account], add: [{ name: X-Switch, value: tandem }] } }";
const TRUSTED: &str =
    "policy: { identity: { send: asserted, trusted: true } } <- policy: { identity: { trusted: true } }";
const REWRITES: &str = "policy: { rewrite: [{ field: request_uri, pattern: \"^49\", replacement: \"0049\" }] } <- \
    policy: { rewrite: [{ field: calling, pattern: \"^1\", replacement: \"+1\" }] }";

/// Where a flow's ends are: its caller, and the terminators of its routes.
fn places(net: Net, index: usize) -> [SocketAddr; 3] {
    let host = |from: usize| SocketAddr::from((net.host((from + index) as u8), SIP));
    [host(10), host(90), host(170)]
}

fn called(index: usize) -> String {
    format!("493055{index:04}")
}

/// The scenario files of a flow's ends: `uac`, `uas` and, where the next route is taken, `uas2`; `elsewhere` is at the same address
/// without a route.
fn file(flow: &Flow, end: &str) -> Option<PathBuf> {
    Some(scenario::folder().join(flow.0).join(format!("{end}.xml"))).filter(|path| path.is_file())
}

/// A trunk in, a plan and a trunk out for each flow: none may disturb another.
fn declaration(net: Net, flows: &[&Flow]) -> String {
    let mut text = format!(
        "carriers:\n  - {{ code: acme, name: Acme }}\n  - {{ code: oria, name: Oria }}\n\
         accounts:\n  - code: acme\n    carrier: acme\n    currency: USD\n    kind: prepaid\n    payments:\n      \
         - {{ reference: opening, amount: \"{PAID}\" }}\n  - {{ code: oria, carrier: oria, currency: USD, kind: postpaid }}\n\
         decks:\n"
    );
    deck(&mut text, "sell", SELL);
    deck(&mut text, "buy", BUY);
    let (mut egress, mut plans, mut ingress) = (String::new(), String::new(), String::new());
    for (index, flow) in flows.iter().enumerate() {
        let Flow(name, more, _) = flow;
        let (out, within) = more.split_once(" <- ").unwrap_or((more, ""));
        let within = if within.is_empty() { String::new() } else { format!(", {within}") };
        let [caller, first, second] = places(net, index);
        let _ = write!(plans, "  - code: {name}\n    order: priority\n    margin_min: \"0\"\n    routes:\n");
        for (code, address, priority) in [(format!("{name}-1"), first, 2), (format!("{name}-2"), second, 1)] {
            if priority == 1 && file(flow, "uas2").is_none() {
                continue;
            }
            let more = match (out.strip_suffix(FIRST_ONLY), priority) {
                (Some(_), 1) => "",
                (Some(first_only), _) => first_only,
                (None, _) => out,
            };
            let more = if more.is_empty() { String::new() } else { format!(", {more}") };
            let _ = writeln!(
                egress,
                "  - {{ code: {code}, carrier: oria, account: oria, address: \"{address}\", buy_deck: buy{more} }}"
            );
            let _ = writeln!(plans, "      - {{ egress_trunk: {code}, priority: {priority} }}");
        }
        let _ = writeln!(
            ingress,
            "  - {{ code: {name}, carrier: acme, account: acme, sources: [{}], plan: {name}, sell_deck: sell{within} }}",
            caller.ip()
        );
    }
    let _ = write!(text, "egress_trunks:\n{egress}plans:\n{plans}ingress_trunks:\n{ingress}");
    text
}

/// Plays one flow; what went wrong, if something did.
fn play(player: Player, switch: &Switch, net: Net, index: usize, flow: &Flow) -> Result<(), String> {
    let folder = switch.folder().join(flow.0);
    std::fs::create_dir_all(&folder).unwrap();
    let [caller, first, second] = places(net, index);
    let prepared = |end: &str| {
        let to = folder.join(format!("{end}.xml"));
        file(flow, end).map(|from| {
            scenario::write(&from, &to);
            Scenario::File(to)
        })
    };
    let always = ["-m", &CALLS.to_string(), "-timeout", FLOW_MAX, "-timeout_error", "-recv_timeout", "120000"];
    let always: Vec<String> = always.map(str::to_owned).into();
    let mut ends = Vec::new();
    let moved = ["-key", "moved", &second.to_string(), "-key", "moved_user", &called(index)].map(str::to_owned);
    let of_terminator = [&always[..], &moved].concat();
    for (end, at) in [("uas", first), ("uas2", second), ("elsewhere", second)] {
        if let Some(scenario) = prepared(end) {
            ends.push((end, Sipp::start_as(player, &folder, at, scenario, &of_terminator)));
            until(PATIENCE, "a terminator listens", || is_taken("udp", at).then_some(()));
        }
    }
    let mut words = vec![switch.sip().to_string(), "-s".into(), called(index), "-r".into(), "10".into()];
    words.extend(["-key".into(), "nothing".into(), String::new()]);
    words.extend(always);
    let caller_plays = prepared("uac").expect("each flow has a caller");
    ends.push(("uac", Sipp::start_as(player, &folder, caller, caller_plays, &words)));
    let mut wrong = String::new();
    for (end, sipp) in ends.into_iter().rev() {
        if let Err(why) = sipp.ends() {
            let _ = writeln!(wrong, "{}/{end}: {why}", flow.0);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// The records of one flow's calls, by call, each followed by its attempts in order.
fn traces(records: &[Record], flow: &str) -> Vec<String> {
    let mut calls: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records.iter().filter(|record| record.text("ingress_trunk") == flow) {
        calls.entry(record.text("call")).or_default().push(record);
    }
    let told = |mut rows: Vec<&Record>| {
        rows.sort_by_key(|row| row.number("attempt"));
        let of = |row: &&Record| (row.number("sip_status"), row.number("cause"));
        let attempts: Vec<_> = rows.iter().filter(|row| row.number("attempt") > 0).map(of).collect();
        let own = rows.iter().find(|row| row.number("attempt") == 0);
        let own = own.map(|row| (row.number("sip_status"), row.number("cause"), row.text("released_by")));
        format!("{own:?} {attempts:?}")
    };
    calls.into_values().map(told).collect()
}

fn judged(records: &[Record], flow: &Flow) -> Result<(), String> {
    let expected = match flow.2 {
        Some((own, attempts)) => vec![format!("{:?} {attempts:?}", Some(own)); CALLS],
        None => Vec::new(),
    };
    let seen = traces(records, flow.0);
    if seen == expected { Ok(()) } else { Err(format!("{}: records {seen:#?}, expected {expected:#?}\n", flow.0)) }
}

/// Flows that are in our runner's hands too: branches, optional steps, routes, proofs, repeats, expressions.
const OURS: &str = "caller_releases,challenge_401_answered,glare_491,merged_482,record_route_loose,retransmitted_invite_one_call,\
    reject_503_tries_next_route,update_crosses_when_up";

#[test]
fn every_flow_behaves_and_leaves_its_records() {
    // FLOWS=caller_releases,glare_491 plays these only.
    play_all(Player::asked(), &std::env::var("FLOWS").unwrap_or_default());
}

#[test]
fn our_runner_plays_what_sipp_plays() {
    play_all(Player::Ours, OURS);
}

/// Plays the flows of these names, or all.
fn play_all(player: Player, chosen: &str) {
    let wanted = |flow: &&Flow| chosen.is_empty() || chosen.split(',').any(|name| name == flow.0);
    let flows: Vec<&Flow> = FLOWS.iter().filter(wanted).collect();
    let net = Net::draw();
    let switch = Switch::up_as(net, &declaration(net, &flows), None);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(String::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(flow) = flows.get(index) else { return };
                    if let Err(why) = play(player, &switch, net, index, flow) {
                        wrong.lock().unwrap().push_str(&why);
                    }
                }
            });
        }
    });
    let calls = CALLS * flows.iter().filter(|flow| flow.2.is_some()).count();
    let records = until(PATIENCE, "every call has its record", || {
        let records = switch.records_and_attempts()?;
        let complete = records.iter().filter(|record| record.number("attempt") == 0).count() >= calls;
        (complete || !wrong.lock().unwrap().is_empty()).then_some(records)
    });
    let mut wrong = wrong.into_inner().unwrap();
    flows.iter().filter_map(|flow| judged(&records, flow).err()).for_each(|why| wrong.push_str(&why));
    assert!(wrong.is_empty(), "{wrong}");
    until(PATIENCE, "no call is left", || switch.running().filter(|calls| *calls == 0));
    let own: Vec<Record> = records.into_iter().filter(|record| record.number("attempt") == 0).collect();
    switch.charged(exact(&own));
}
