//! What a run says of itself as values: a line a second, a summary, and a verdict.

use std::process::{Command, Stdio};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::clock::MS;
use crate::ladder::{Samples, Way};
use crate::observe::Moved;
use crate::plan::Plan;
use crate::profile;
use crate::quality::{Media, Quality};
use crate::reconcile::Reconciled;
use crate::tally::{Codes, Counts, Latencies};

/// One line of `--live-json`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line<'a> {
    /// Sockets are open; calls are about to be placed.
    Ready {
        /// Calls in the plan.
        planned: u64,
    },
    /// Once a second.
    Live {
        /// Seconds since the first call could be due.
        elapsed_s: f64,
        /// Calls due by now.
        due: u64,
        /// Calls in progress.
        calls: u64,
        /// Calls placed in the last second.
        cps: u64,
        /// Everything counted.
        counts: &'a Counts,
    },
    /// At the end.
    Summary(&'a Summary),
}

/// A latency in milliseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Percentiles {
    /// Values.
    pub count: u64,
    /// Half are below.
    pub p50_ms: f64,
    /// Nine of ten are below.
    pub p90_ms: f64,
    /// 99 of 100 are below.
    pub p99_ms: f64,
    /// 999 of 1,000 are below.
    pub p999_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

/// Layout of `summary.json`; grows with each change that a reader could notice.
pub const SCHEMA: u32 = 8;

/// `summary.json`.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Of this layout.
    pub schema: u32,
    /// The program's version.
    pub version: &'static str,
    /// The commit that it was built of.
    pub revision: &'static str,
    /// How it was called.
    pub command: Vec<String>,
    /// The seed that repeats the plan.
    pub seed: u64,
    /// Kernel and number of cores.
    pub machine: String,
    /// What `tandem-tune` says of this machine in a line, if it stands beside this program; of runs that keep a report.
    pub host: Option<String>,
    /// The agents that played it, with their machines, if it was played by several.
    pub agents: Vec<String>,
    /// Seconds during which calls were placed.
    pub placing_s: f64,
    /// Calls in the plan.
    pub planned: u64,
    /// Calls of the plan that were neither placed nor skipped, because the run was ended early.
    pub unplaced: u64,
    /// Everything counted.
    pub counts: Counts,
    /// Calls at terminators that nobody ended.
    pub callees_left: u64,
    /// Final responses by status; 0 stands for none.
    pub codes: Codes,
    /// Calls that failed, by status, carriers and how far they had come; the most frequent first.
    pub failures: Vec<Failure>,
    /// Latencies by name.
    pub latencies: std::collections::BTreeMap<&'static str, Percentiles>,
    /// How good media was for those who heard it.
    pub media: Media,
    /// How late the generator itself was: calls by the upper end of their lateness.
    pub lateness: Vec<Late>,
    /// The generator itself kept up: no call skipped, few late.
    pub valid: bool,
    /// How often the rate was changed by hand: the plan was then placed at other moments than it says.
    pub paced_by_hand: u64,
    /// Why not, in sentences.
    pub invalid: Vec<String>,
    /// What the switch's own books say, if they were asked.
    pub reconciled: Option<Reconciled>,
    /// What moved meanwhile: metrics of the switch that were asked for, this machine's cores and drops.
    pub observed: Vec<Moved>,
    /// What must never happen and did.
    pub faults: Vec<String>,
    /// Service levels asked for.
    pub levels: Vec<Verdict>,
    /// Those of them that were not met.
    pub breaches: Vec<String>,
}

/// What `tandem-tune` says of this machine, if it stands beside this program.
pub fn host() -> Option<String> {
    let program = std::env::current_exe().ok()?.with_file_name("tandem-tune");
    let said = Command::new(program).args(["check", "--summary"]).stdin(Stdio::null()).output().ok()?;
    let line = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    (!line.is_empty()).then_some(line)
}

/// Calls that failed in one way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The final status; 0 for none.
    pub code: u16,
    /// `refused`, `unheard` or `abandoned`.
    pub ended_by: &'static str,
    /// What the caller had heard before: `nothing`, `trying` (100), `ringing` (18x) or `answer`.
    pub heard: &'static str,
    /// Who called.
    pub originator: String,
    /// The terminator that the switch tried last; none if it tried none that this program plays here.
    pub terminator: Option<String>,
    /// How many.
    pub calls: u64,
}

/// Calls that failed, with the names of those who played.
pub fn failures(samples: &Samples, plan: &Plan) -> Vec<Failure> {
    let told = |(way, calls): &(Way, u64)| Failure {
        code: way.code,
        ended_by: way.ended_by,
        heard: way.heard,
        originator: plan.originators.get(way.originator).map_or_else(String::new, |who| who.name.clone()),
        terminator: way.terminator.and_then(|place| plan.terminators.get(place)).map(|who| who.name.clone()),
        calls: *calls,
    };
    let mut rows: Vec<Failure> = samples.ways.iter().map(told).collect();
    rows.sort_by(|a, b| {
        (b.calls, a.code, &a.originator, &a.terminator).cmp(&(a.calls, b.code, &b.originator, &b.terminator))
    });
    rows
}

/// Calls that were sent up to so late.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Late {
    /// Not later than this after they were due, in milliseconds; none for all that were later.
    pub upto_ms: Option<f64>,
    /// How many.
    pub calls: u64,
}

/// The generator's own lateness, from a hundredth of a millisecond to a second in tenfold steps.
pub fn lateness(values: &Histogram<u64>) -> Vec<Late> {
    let mut rows = Vec::new();
    let mut before = 0;
    for upto_ms in [Some(0.01), Some(0.1), Some(1.0), Some(10.0), Some(100.0), Some(1_000.0), None] {
        let upto = upto_ms.map_or(values.high(), |upto_ms| (upto_ms * MS as f64) as u64);
        let calls = values.count_between(before, upto);
        before = values.highest_equivalent(upto).saturating_add(1);
        rows.push(Late { upto_ms, calls });
    }
    rows
}

/// How late a packet of media by the kernel may leave in any case: when the next one is due.
const RTP_LATE_MAX: Duration = Duration::from_millis(20);

/// Why this run says little of the switch: the generator itself was not what it promised to be.
pub fn invalid(counts: &Counts, latencies: &Latencies, late_max: Duration) -> Vec<String> {
    let mut found = Vec::new();
    let p99 = Duration::from_nanos(latencies.lateness.value_at_quantile(0.99));
    if p99 > late_max {
        found.push(format!(
            "one call in a hundred was sent {p99:.1?} or more after it was due; {late_max:?} is allowed"
        ));
    }
    if counts.skipped > 0 {
        found.push(format!("{} calls were skipped because of --calls-max", counts.skipped));
    }
    let media = Duration::from_nanos(latencies.rtp_lateness.value_at_quantile(0.99));
    if media > late_max.max(RTP_LATE_MAX) {
        let left_out = counts.rtp_left_out;
        found.push(format!(
            "one packet of media in a hundred left {media:.1?} or more after it was due; {left_out} were left out"
        ));
    }
    // Every planned call has one end; anything else is a mistake of this program.
    let ends = counts.completed + counts.refused + counts.cancelled + counts.unheard + counts.abandoned;
    if ends != counts.placed {
        found.push(format!("{} calls were placed and {ends} ended: the generator lost count", counts.placed));
    }
    found
}

/// How this program was called, with what its profile said, without the API key and without passwords of originators and terminators.
pub fn command() -> Vec<String> {
    let mut words: Vec<String> = profile::words().iter().map(|word| without_password(word)).collect();
    for at in 0..words.len() {
        if words[at].starts_with("--key=") {
            words[at] = "--key=…".into();
        } else if words[at] == "--key" && at + 1 < words.len() {
            words[at + 1] = "…".into();
        }
    }
    words
}

/// The command as a shell takes it, with the seed that repeats the plan.
pub fn to_repeat(command: &[String], seed: Option<u64>) -> String {
    let said = command.iter().any(|word| word == "--seed" || word.starts_with("--seed="));
    let seed = seed.filter(|_| !said).map_or_else(String::new, |seed| format!(" --seed {seed}"));
    command.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ") + &seed
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/,:=%@+".contains(&byte);
    let is_plain = !word.is_empty() && word.bytes().all(plain);
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// The word with a point for the password in `auth=user:password`.
fn without_password(word: &str) -> String {
    let hidden =
        |part: &str| match part.split_once("auth=").and_then(|(before, auth)| Some((before, auth.split_once(':')?))) {
            Some((before, (user, _))) if before.is_empty() || before.ends_with('=') => format!("{before}auth={user}:…"),
            _ => part.to_owned(),
        };
    word.split(',').map(hidden).collect::<Vec<_>>().join(",")
}

/// Calls that a switch without room turned away, in one line.
pub fn turned_away(calls: u64) -> String {
    format!(
        "{calls} callers got 503, no terminator saw their calls, and no CDR tells of them: turned away, as an overloaded switch does"
    )
}

/// How exact its latencies are.
pub fn exactness(summary: &Summary) -> &'static str {
    if summary.counts.gathered > 0 {
        "each latency is exact to a thousandth, as the kernel noted when datagrams came; but a generator this busy gathers (--gather, 0.5 ms \
         unless told), and what it says in answer leaves up to that much later than from a quiet one"
    } else {
        "each latency is exact to a thousandth, as the kernel noted when datagrams came"
    }
}

/// A latency's percentiles.
pub fn percentiles(values: &Histogram<u64>) -> Percentiles {
    let at = |quantile: f64| values.value_at_quantile(quantile) as f64 / MS as f64;
    Percentiles {
        count: values.len(),
        p50_ms: at(0.5),
        p90_ms: at(0.9),
        p99_ms: at(0.99),
        p999_ms: at(0.999),
        max_ms: values.max() as f64 / MS as f64,
    }
}

/// What must never happen, whatever the switch was asked to do.
pub const FAULTS: [&str; 10] = [
    "calls got no final response",
    "calls did not end",
    "calls at terminators were never ended",
    "BYEs were not answered",
    "calls were released by one end and never at the other",
    "answers were never acknowledged",
    "RTP packets came to the wrong call",
    "ends of calls heard nothing",
    "digits came that were not dialled",
    "ends of calls could not speak: the switch is no neighbour on --media-interface, or there are too many",
];

/// Those that did, each with how often.
pub fn faults(counts: &Counts, callees_left: u64) -> Vec<String> {
    let times = [
        counts.unheard,
        counts.abandoned,
        callees_left,
        counts.bye_unanswered,
        counts.release_missing,
        counts.ack_missing,
        counts.rtp_misrouted,
        counts.rtp_silent_ends,
        counts.dtmf_wrong,
        counts.rtp_silenced,
    ];
    times.iter().zip(FAULTS).filter(|(times, _)| **times > 0).map(|(times, what)| format!("{times} {what}")).collect()
}

/// One service level: `answer.p99<50ms`, `refused<1%`, `rtp_lost<0.1%`, `mos.p5>4`.
#[derive(Clone, Debug, PartialEq)]
pub enum Level {
    /// A percentile of a latency in milliseconds.
    Latency(String, f64, f64),
    /// One of [`SHARES`].
    Share(String, f64),
    /// The mean opinion score that all but this share of the ends must reach.
    Mos(f64, f64),
}

/// Reads service levels, separated by commas.
pub fn levels(text: &str) -> Result<Vec<Level>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(level).collect()
}

/// What people elsewhere call some of them.
const ALSO: [(&str, &str); 3] = [("pdd", "ringing"), ("fail", "failed"), ("rtp_loss", "rtp_lost")];

fn ours(name: &str) -> &str {
    ALSO.iter().find(|(theirs, _)| *theirs == name).map_or(name, |(_, ours)| ours)
}

fn level(text: &str) -> Result<Level, String> {
    if let Some((left, right)) = text.split_once('>') {
        return score(left, right).ok_or_else(|| format!("'{text}': want mos.p5>4 or mos.min>3.6"));
    }
    let (left, right) = text.split_once('<').ok_or_else(|| format!("'{text}': want NAME.p99<50ms or NAME<1%"))?;
    let Some((name, rank)) = left.split_once(".p").map(|(name, rank)| (ours(name), rank)) else {
        let left = ours(left);
        if !SHARES.iter().any(|(known, ..)| *known == left) {
            let known: Vec<&str> = SHARES.iter().map(|(known, ..)| *known).collect();
            return Err(format!("'{left}' is no share: {}", known.join(", ")));
        }
        return Ok(Level::Share(left.into(), crate::draw::share(right)?));
    };
    let latencies = Latencies::default();
    let known: Vec<&str> = latencies.each().iter().map(|(known, _)| *known).collect();
    if !known.contains(&name) {
        return Err(format!("'{name}' is no latency: {}", known.join(", ")));
    }
    let digits: f64 = rank.parse().map_err(|_| format!("'p{rank}' is no percentile"))?;
    // p999 is read as 99.9, as people write it.
    let mut percent = digits;
    while percent > 100.0 {
        percent /= 10.0;
    }
    if !right.ends_with(|last: char| last.is_ascii_alphabetic()) {
        // Who means milliseconds would be told that all is well below so many seconds.
        return Err(format!("'{text}': {right} of what? Say it with its unit: {right}ms, or {right}s"));
    }
    Ok(Level::Latency(name.into(), percent / 100.0, crate::draw::span(right)?.as_secs_f64() * 1_000.0))
}

/// Reads what a mean opinion score must be above: `min` or a percentile such as `p5`, and a number of 1 to 4.5.
fn score(left: &str, right: &str) -> Option<Level> {
    let share = match left.strip_prefix("mos.")? {
        "min" => 0.0,
        rank => rank.strip_prefix('p')?.parse::<f64>().ok().filter(|rank| (0.0..=100.0).contains(rank))? / 100.0,
    };
    let least = right.parse().ok().filter(|least| (1.0..=4.5).contains(least))?;
    Some(Level::Mos(share, least))
}

type Count = fn(&Counts) -> u64;

/// Shares that a level may be asked of: the part, and of what.
const SHARES: [(&str, Count, Count); 9] = [
    ("failed", |counts| counts.refused + counts.unheard + counts.abandoned, |counts| counts.placed),
    ("refused", |counts| counts.refused, |counts| counts.placed),
    ("unheard", |counts| counts.unheard, |counts| counts.placed),
    ("late", |counts| counts.late, |counts| counts.placed),
    ("rtp_lost", |counts| counts.rtp_lost, |counts| counts.rtp_sent),
    ("rtp_late", |counts| counts.rtp_late, |counts| counts.rtp_sent),
    ("rtp_duplicate", |counts| counts.rtp_duplicate, |counts| counts.rtp_sent),
    ("dtmf_lost", |counts| counts.dtmf_sent.saturating_sub(counts.dtmf_heard), |counts| counts.dtmf_sent),
    ("rtp_poor", |counts| counts.rtp_poor, |counts| counts.rtp_ends),
];

/// Whether a level was met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The level as asked for.
    pub name: String,
    /// What was found where it was not met.
    pub breach: Option<String>,
}

/// Each level with what was found.
pub fn verdicts(levels: &[Level], counts: &Counts, latencies: &Latencies, quality: &Quality) -> Vec<Verdict> {
    let judge = |level: &Level| {
        let (name, unit, value, most) = match level {
            Level::Latency(name, quantile, most) => {
                let all = latencies.each();
                let values = all.iter().find(|(known, _)| known == name).map(|(_, values)| *values);
                let value = values.map_or(0.0, |values| values.value_at_quantile(*quantile) as f64 / MS as f64);
                (format!("{name} p{}", quantile * 100.0), " ms", value, *most)
            }
            Level::Mos(share, least) => return heard_well(quality, *share, *least),
            Level::Share(name, most) => {
                let (_, part, whole) = SHARES.iter().find(|(known, ..)| known == name).expect("it was read");
                let (part, whole) = (part(counts), whole(counts));
                (format!("share of {name}"), " %", 100.0 * part as f64 / whole.max(1) as f64, written(most * 100.0))
            }
        };
        let breach = (value >= most).then(|| format!("{name} is {value:.4}{unit}, wanted below {most}{unit}"));
        Verdict { name: format!("{name} below {most}{unit}"), breach }
    };
    levels.iter().map(judge).collect()
}

/// A number as somebody wrote it: 0.0001 and not 0.00009999999999999999.
fn written(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

/// Without an end that heard something no score was reached.
fn heard_well(quality: &Quality, share: f64, least: f64) -> Verdict {
    let found = quality.mos_at(share);
    let what = if share == 0.0 {
        "lowest mean opinion score".into()
    } else {
        format!("mean opinion score p{}", share * 100.0)
    };
    let breach = (found <= least).then(|| format!("{what} is {found:.2}, wanted above {least}"));
    Verdict { name: format!("{what} above {least}"), breach }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_told_as_it_was_written() {
        for percent in ["0.0001", "0.1", "5", "0.7", "99.9"] {
            let wanted = levels(&format!("refused<{percent}%")).expect("a level");
            let verdicts = verdicts(&wanted, &Counts::default(), &Latencies::default(), &Quality::default());
            assert_eq!(verdicts[0].name, format!("share of refused below {percent} %"));
        }
    }

    #[test]
    fn passwords_are_not_in_the_command_that_a_report_shows() {
        assert_eq!(
            without_password("--originator=from=127.0.1.1,auth=joe:secret"),
            "--originator=from=127.0.1.1,auth=joe:…"
        );
        assert_eq!(without_password("auth=joe:a,weight=3"), "auth=joe:…,weight=3");
        assert_eq!(without_password("--originator=auth=joe:a,weight=3"), "--originator=auth=joe:…,weight=3");
        assert_eq!(without_password("answer.p99<50ms,refused<1%"), "answer.p99<50ms,refused<1%");
    }

    #[test]
    fn a_shell_takes_the_command_that_repeats_a_run() {
        let words = |text: &[&str]| text.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let said = to_repeat(&words(&["lt", "--slo", "answer.p99<5s,refused<1%", "--cps=5", "it's", ""]), Some(7));
        assert_eq!(said, r"lt --slo 'answer.p99<5s,refused<1%' --cps=5 'it'\''s' '' --seed 7");
        assert_eq!(to_repeat(&words(&["lt", "--seed", "7"]), Some(7)), "lt --seed 7");
    }

    #[test]
    fn service_levels_are_read_and_a_breach_is_named() {
        let asked = levels("answer.p999<2ms, refused<1%").expect("both are known");
        let mut latencies = Latencies::default();
        latencies.answer.saturating_record(3 * MS);
        let counts = Counts { placed: 100, refused: 1, ..Counts::default() };
        let breaches = |counts: &Counts, latencies: &Latencies| {
            verdicts(&asked, counts, latencies, &Quality::default())
                .into_iter()
                .filter_map(|verdict| verdict.breach)
                .count()
        };
        assert_eq!(breaches(&counts, &latencies), 2);
        latencies.answer.reset();
        assert_eq!(breaches(&Counts { placed: 1_000, ..Counts::default() }, &latencies), 0);
        assert_eq!(
            levels("pdd.p99<50ms, fail<0.001%, transit.p999<5ms, rtp_loss<0.01%"),
            levels("ringing.p99<50ms,failed<0.001%,transit.p999<5ms,rtp_lost<0.01%")
        );
        for text in ["colour.p99<2ms", "answer", "mos.p5>9", "mos>4", "mos.p5<4"] {
            assert!(levels(text).is_err(), "{text}");
        }
    }
}
