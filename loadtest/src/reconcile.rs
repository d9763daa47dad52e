//! Every call of a run against the switch's own books, asked by its API: one CDR a call, status, duration, attempts, media packets, price, and
//! money moved.
//!
//! Prices are computed again from the terms that a CDR names, by a calculator that shares nothing with the switch's.

mod money;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tally::CallLine;
use money::{Price, nanos, text};

/// Disagreements that are told; the others are counted.
const TOLD_MAX: usize = 20;
/// CDRs asked for at once.
const PART: usize = 1_000;
/// Between two looks at books that are not complete yet.
const AGAIN: Duration = Duration::from_millis(250);
/// A CDR is there so long after its call, if it ever is.
const LATEST: Duration = Duration::from_secs(5);
/// What a switch says that has no room for a call, and keeps no record of it.
const TURNED_AWAY: u16 = 503;

/// Where the books are.
pub struct Api {
    agent: ureq::Agent,
    url: String,
    key: String,
}

/// What accounts had before a run: charged for ended calls, and owed to them, in nano-units, by code.
pub type Balances = BTreeMap<String, (i128, i128)>;

/// What came of a comparison.
#[derive(Clone, Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Reconciled {
    /// Calls that must have a CDR.
    pub expected: u64,
    /// CDRs found.
    pub collected: u64,
    /// Calls whose caller got 503, which no terminator saw, and which have no CDR: an overloaded switch keeps none of them.
    #[serde(default)]
    pub turned_away: u64,
    /// Of the calls, answered.
    pub answered: u64,
    /// Prices computed again.
    pub priced: u64,
    /// Moved on accounts, by code: what CDRs say and what the account says, in units.
    pub accounts: BTreeMap<String, [String; 2]>,
    /// Media of all calls whose both ends told of it.
    #[serde(default)]
    pub media: MediaBooks,
    /// How many things do not agree.
    pub wrong: u64,
    /// The first of them.
    pub disagreements: Vec<String>,
}

/// RTP packets of all ends that were compared.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
pub struct MediaBooks {
    /// Ends of calls.
    pub ends: u64,
    /// What these ends sent.
    pub sent: u64,
    /// What came to them.
    pub received: u64,
    /// What CDRs say was relayed.
    pub packets: u64,
    /// Of that, by the kernel.
    pub kernel_packets: u64,
    /// What CDRs say never came.
    pub lost: u64,
}

/// A CDR as the API gives it: what is compared.
#[derive(Clone, Debug, Deserialize)]
struct Cdr {
    ingress_call_id: String,
    attempts: u8,
    answered_at: Option<String>,
    duration_ms: u64,
    sip_status: u16,
    originator_account: Option<Named>,
    terminator_account: Option<Named>,
    sell: Option<Price>,
    buy: Option<Price>,
    ingress_media: Media,
    egress_media: Media,
}

/// What a CDR says of one direction.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Media {
    packets: u64,
    kernel_packets: u64,
    lost: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    code: String,
}

impl Api {
    /// The API at this address, with a key that may read CDRs and accounts.
    pub fn new(url: &str, key: &str) -> Api {
        Api { agent: ureq::Agent::new_with_defaults(), url: url.trim_end_matches('/').to_owned(), key: key.to_owned() }
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let mut answer = self.agent.get(&url).header("authorization", format!("Bearer {}", self.key)).call();
        let body = answer.as_mut().map_err(|error| anyhow!("{url}: {error}"))?.body_mut().read_to_string()?;
        serde_json::from_str(&body).with_context(|| format!("{url} gave no JSON"))
    }

    /// All rows of a list, part by part.
    fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        let sign = if path.contains('?') { '&' } else { '?' };
        loop {
            let mut part = self.get(&format!("{path}{sign}limit={PART}{cursor}"))?;
            let Some(Value::Array(data)) = part.get_mut("data").map(Value::take) else {
                return Err(anyhow!("{path} gave no list"));
            };
            rows.extend(data);
            match part.get("next_cursor").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(rows),
            }
        }
    }

    /// What accounts have now.
    pub fn balances(&self) -> Result<Balances> {
        let row = |row: &Value| {
            let amount = |name: &str| row.get(name).and_then(Value::as_str).and_then(nanos).unwrap_or(0);
            let code = row.get("code").and_then(Value::as_str).context("an account without a code")?;
            Ok((code.to_owned(), (amount("settled"), amount("owed"))))
        };
        self.list("/api/v1/accounts")?.iter().map(row).collect()
    }

    fn cdrs(&self, from_us: u64, till_us: u64) -> Result<Vec<Cdr>> {
        let moment = |us: u64| jiff::Timestamp::from_microsecond(us as i64).context("a moment out of range");
        let path = format!("/api/v1/cdrs?from={}&till={}", moment(from_us)?, moment(till_us)?);
        let rows = self.list(&path)?;
        rows.into_iter().map(|row| serde_json::from_value(row).context("a CDR of another form")).collect()
    }
}

/// What is no disagreement.
#[derive(Clone, Copy, Debug)]
pub struct Slack {
    /// How far a duration may lie from the caller's own.
    pub duration: Duration,
    /// Packets that were on their way when a call ended.
    pub packets: u32,
}

/// Compares until everything agrees, or as long as this.
pub fn settle(api: &Api, before: &Balances, lines: &[CallLine], slack: Slack, wait: Duration) -> Result<Reconciled> {
    let planned = || lines.iter().filter_map(|line| line.planned_us);
    let (from, till) = (planned().min().unwrap_or(0), lines.iter().filter_map(|line| line.ended_us).max().unwrap_or(0));
    let until = Instant::now() + wait;
    // Whether a call was turned away is known when its CDR did not come.
    let (mut away, mut since) = (0, Instant::now());
    loop {
        let cdrs = api.cdrs(from.saturating_sub(2_000_000), till.max(from) + 60_000_000)?;
        let found = compare(lines, &cdrs, before, &api.balances()?, slack);
        if found.turned_away != away {
            (away, since) = (found.turned_away, Instant::now());
        }
        if found.wrong == 0 && (away == 0 || since.elapsed() > LATEST) || Instant::now() > until {
            return Ok(found);
        }
        std::thread::sleep(AGAIN);
    }
}

fn compare(lines: &[CallLine], cdrs: &[Cdr], before: &Balances, after: &Balances, slack: Slack) -> Reconciled {
    let mut told = Reconciled::default();
    let mut by_call: HashMap<&str, Vec<&Cdr>> = HashMap::new();
    for cdr in cdrs {
        by_call.entry(&cdr.ingress_call_id).or_default().push(cdr);
    }
    let mut moved: BTreeMap<(&str, bool), i128> = BTreeMap::new();
    for line in lines {
        told.answered += u64::from(line.answered_us.is_some());
        let found = by_call.get(line.call_id.as_str()).map_or(&[][..], Vec::as_slice);
        told.collected += found.len() as u64;
        call(line, found, slack, &mut told);
    }
    // The window begins a little early, since clocks differ: calls of a run before this one had moved their money by then.
    let ours: HashSet<&str> = lines.iter().map(|line| line.call_id.as_str()).collect();
    for cdr in cdrs.iter().filter(|cdr| ours.contains(cdr.ingress_call_id.as_str())) {
        let sides = [(&cdr.originator_account, &cdr.sell, false), (&cdr.terminator_account, &cdr.buy, true)];
        for (account, price, owed) in sides {
            let (Some(account), Some(price)) = (account, price) else { continue };
            *moved.entry((&account.code, owed)).or_default() += price.nanos().unwrap_or(0);
            told.priced += 1;
            if let Err(flaw) = price.check(cdr.duration_ms) {
                wrong(&mut told, format!("call {}: {flaw}", cdr.ingress_call_id));
            }
        }
    }
    for ((code, owed), sum) in moved {
        let of = |balances: &Balances| balances.get(code).map_or(0, |pair| if owed { pair.1 } else { pair.0 });
        let (name, seen) = (if owed { format!("{code} (owed)") } else { code.to_owned() }, of(after) - of(before));
        if sum != seen {
            wrong(&mut told, format!("account {name}: CDRs say {}, the account moved by {}", text(sum), text(seen)));
        }
        told.accounts.insert(name, [text(sum), text(seen)]);
    }
    told
}

fn call(line: &CallLine, found: &[&Cdr], slack: Slack, told: &mut Reconciled) {
    let id = &line.call_id;
    let found = match found {
        // A call that nobody answered in any way may have reached the switch or not.
        [] if line.code == 0 => return,
        [] if line.code == TURNED_AWAY && line.attempts == 0 => {
            told.turned_away += 1;
            return;
        }
        found => found,
    };
    told.expected += u64::from(line.code > 0);
    let cdr = match found {
        [cdr] => cdr,
        [] => return wrong(told, format!("call {id}: its caller got {}, and it has no CDR", line.code)),
        _ => return wrong(told, format!("call {id} has {} CDRs", found.len())),
    };
    if line.code == 0 {
        return;
    }
    if line.code != cdr.sip_status {
        wrong(told, format!("call {id}: its caller got {}, its CDR says {}", line.code, cdr.sip_status));
    }
    if line.answered_us.is_some() != cdr.answered_at.is_some() {
        wrong(told, format!("call {id}: answered for one side of the books only"));
    }
    let off = Duration::from_millis(line.duration_ms.abs_diff(cdr.duration_ms));
    if line.answered_us.is_some() && off > slack.duration {
        let (ours, theirs) = (line.duration_ms, cdr.duration_ms);
        wrong(told, format!("call {id}: {ours} ms for its caller, {theirs} ms in its CDR"));
    }
    media(line, cdr, slack.packets, told);
    // Where others take the calls, nothing is known of attempts.
    if line.attempts > cdr.attempts {
        let (ours, theirs) = (line.attempts, cdr.attempts);
        wrong(told, format!("call {id}: terminators saw {ours} attempts, its CDR says {theirs}"));
    }
}

/// What each end sent, and what the other one heard of it, against what the CDR says was relayed and never came.
fn media(line: &CallLine, cdr: &Cdr, tail: u32, told: &mut Reconciled) {
    // Of a call that several terminators were offered, only one has told its part.
    let (Some(caller), Some(callee), 1) = (&line.caller_heard, &line.callee_heard, line.attempts) else { return };
    let directions = [("caller", caller, callee, cdr.ingress_media), ("callee", callee, caller, cdr.egress_media)];
    for (name, speaker, listener, said) in directions {
        let (sent, received, known) = (u64::from(speaker.sent), u64::from(listener.received), said.packets + said.lost);
        let books = &mut told.media;
        (books.ends, books.sent, books.received) = (books.ends + 1, books.sent + sent, books.received + received);
        books.packets += said.packets;
        books.kernel_packets += said.kernel_packets;
        books.lost += said.lost;
        // What is under way when a call ends belongs to neither.
        if known > sent || known + u64::from(tail) < sent || said.packets < received {
            let (id, Media { packets, lost, .. }) = (&line.call_id, said);
            let heard = format!("its {name} sent {sent} packets, of which {received} were heard");
            wrong(told, format!("call {id}: {heard}; its CDR says {packets} relayed, {lost} lost"));
        }
    }
}

fn wrong(told: &mut Reconciled, text: String) {
    told.wrong += 1;
    if told.disagreements.len() < TOLD_MAX {
        told.disagreements.push(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::Heard;

    fn line(id: &str, duration_ms: u64) -> CallLine {
        let answered_us = Some(1);
        let heard = Some(Heard { sent: 500, received: 497, ..Heard::default() });
        let (caller_heard, callee_heard) = (heard.clone(), heard);
        CallLine {
            call_id: id.into(),
            code: 200,
            duration_ms,
            answered_us,
            attempts: 1,
            caller_heard,
            callee_heard,
            ..CallLine::default()
        }
    }

    fn cdr(id: &str, change: impl Fn(&mut Value)) -> Cdr {
        let mut row = serde_json::json!({
            "ingress_call_id": id, "attempts": 1, "answered_at": "2026-03-01T12:00:00Z", "duration_ms": 61_000, "sip_status": 200,
            "originator_account": {"id": 1, "code": "acme"}, "terminator_account": null, "buy": null,
            "ingress_media": {"packets": 498, "kernel_packets": 400, "lost": 0},
            "egress_media": {"packets": 497, "kernel_packets": 0, "lost": 2},
            "sell": {"currency": "USD", "price": "0.020333", "tax_percent": "0", "billed_s": 61, "exchange": "1", "per_minute": "0.02",
                "first_per_minute": null, "connection_fee": "0", "minimum_s": 1, "increment_s": 1, "steps_from_zero": false,
                "free_s": 0, "decimals": 6}
        });
        change(&mut row);
        serde_json::from_value(row).expect("a CDR")
    }

    fn wrongs(lines: &[CallLine], cdrs: &[Cdr], settled: &str) -> Reconciled {
        let after = Balances::from([("acme".into(), (nanos(settled).expect("an amount"), 0))]);
        compare(lines, cdrs, &Balances::new(), &after, Slack { duration: Duration::from_millis(200), packets: 10 })
    }

    #[test]
    fn books_that_agree_are_told_from_each_way_to_be_wrong() {
        let same = |_: &mut Value| {};
        let right = wrongs(&[line("a", 61_050)], &[cdr("a", same)], "0.020333");
        assert_eq!((right.wrong, right.expected, right.collected, right.priced), (0, 1, 1, 1), "{right:?}");
        let after_another = wrongs(&[line("a", 61_050)], &[cdr("of the run before", same), cdr("a", same)], "0.020333");
        assert_eq!((after_another.wrong, after_another.priced), (0, 1), "{after_another:?}");
        let media = MediaBooks { ends: 2, sent: 1_000, received: 994, packets: 995, kernel_packets: 400, lost: 2 };
        assert_eq!(right.media, media);
        let packets =
            |packets: u64, lost: u64| serde_json::json!({"packets": packets, "kernel_packets": 0, "lost": lost});
        let set = |name: &'static str, value: Value| move |row: &mut Value| row[name] = value.clone();
        let stories: [(&str, Vec<Cdr>, &str); 10] = [
            ("got 200, and it has no CDR", vec![], "0"),
            ("has 2 CDRs", vec![cdr("a", same), cdr("a", same)], "0.040666"),
            ("its CDR says 486", vec![cdr("a", set("sip_status", 486.into()))], "0.020333"),
            ("one side", vec![cdr("a", set("answered_at", Value::Null))], "0.020333"),
            ("61050 ms for its caller", vec![cdr("a", set("duration_ms", 60_400.into()))], "0.020333"),
            ("its CDR says 496 relayed", vec![cdr("a", set("ingress_media", packets(496, 0)))], "0.020333"),
            ("2 lost", vec![cdr("a", set("ingress_media", packets(499, 2)))], "0.020333"),
            ("0 lost", vec![cdr("a", set("egress_media", packets(488, 0)))], "0.020333"),
            ("account acme", vec![cdr("a", same)], "0.020334"),
            ("costs 0.020334", vec![cdr("a", |row| row["sell"]["price"] = "0.020334".into())], "0.020334"),
        ];
        for (what, cdrs, settled) in stories {
            let found = wrongs(&[line("a", 61_050)], &cdrs, settled);
            assert!(found.disagreements.iter().any(|text| text.contains(what)), "{what}: {found:?}");
        }
    }
    #[test]
    fn calls_that_were_turned_away_are_told_from_those_that_were_taken_and_have_no_record() {
        let refused =
            |id: &str, code: u16, attempts: u8| CallLine { call_id: id.into(), code, attempts, ..CallLine::default() };
        let away = [refused("a", 503, 0), refused("b", 503, 0)];
        let found = wrongs(&away, &[], "0");
        assert_eq!((found.turned_away, found.expected, found.wrong), (2, 0, 0), "{found:?}");
        // One that a terminator saw was taken, and so was one that heard anything else.
        for taken in [refused("c", 503, 1), refused("c", 486, 0)] {
            let found = wrongs(&[&away[..], std::slice::from_ref(&taken)].concat(), &[], "0");
            assert_eq!((found.turned_away, found.expected, found.wrong), (2, 1, 1), "{found:?}");
            assert_eq!(found.disagreements, [format!("call c: its caller got {}, and it has no CDR", taken.code)]);
        }
        let known = cdr("a", |row| (row["sip_status"], row["sell"]) = (503.into(), Value::Null));
        let found = wrongs(&away, &[known], "0");
        assert_eq!((found.turned_away, found.expected, found.collected), (1, 1, 1), "{found:?}");
    }
}
