//! `report.html`: one page that needs nothing but itself, from the verdict to the ladders of calls that failed.

mod around;
mod chart;

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::heat::Heat;
use crate::junit::escaped;
use crate::ladder::Sample;
use crate::load::{Outcome, Progress};
use crate::observe::Mark;
use crate::report::{self, Summary};
pub use around::Around;
use chart::{Axis, Series};

const HEAD: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
<style>:root{color-scheme:light dark}body{font:14px/1.45 system-ui,sans-serif;max-width:72em;margin:1.5em auto;padding:0 1em}\
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.8em}table{border-collapse:collapse}td,th{padding:.15em .8em .15em 0;text-align:right}\
td:first-child,th:first-child{text-align:left}svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}\
.g{stroke:currentColor;stroke-opacity:.15}.legend span{margin-right:1.2em}.legend i{display:inline-block;width:1.2em;height:.25em;\
margin-right:.4em;vertical-align:middle}.good{color:#009e73}.bad{color:#d55e00}pre{overflow:auto;border-left:3px solid #8888;\
padding-left:.8em}code{overflow-wrap:anywhere}</style>";

/// The page of one run. `timeline` has its moments, a second apart.
pub fn page(outcome: &Outcome, timeline: &[Progress], around: &Around) -> String {
    let summary = &outcome.summary;
    let mut out = String::from(HEAD);
    // Writing to a text cannot fail.
    let _ = write!(out, "<title>Load test</title><h1>Load test of {:.0} s</h1>", summary.placing_s);
    verdict(&mut out, summary);
    figures(&mut out, summary);
    if !timeline.is_empty() {
        over_time(&mut out, timeline, &around.marks);
    }
    around::written(&mut out, around);
    maps(
        &mut out,
        &[("From INVITE to ringing", &outcome.ringing), ("What the switch adds (transit)", &outcome.transit)],
    );
    spectrum(&mut out, outcome);
    latencies(&mut out, summary);
    if summary.media.ends > 0 {
        media(&mut out, outcome);
    }
    if !outcome.samples.calls.is_empty() {
        failures(&mut out, &outcome.samples.calls);
    }
    books(&mut out, summary);
    let Summary { machine, version, revision, seed, .. } = summary;
    let machine = escaped(machine);
    let _ =
        write!(out, "<h2>How to repeat it</h2><p>{machine}, seed {seed}, tandem-loadtest {version} ({revision})</p>");
    let _ = write!(
        out,
        "<p>{}</p>",
        escaped(summary.host.as_deref().unwrap_or("tandem-tune does not stand beside the load test"))
    );
    let again = report::to_repeat(&summary.command, Some(summary.seed));
    let _ = write!(out, "<p><code>{}</code></p></html>", escaped(&again));
    out
}

fn verdict(out: &mut String, summary: &Summary) {
    let good = summary.valid && summary.faults.is_empty() && summary.breaches.is_empty();
    let (class, word) = match (good, summary.valid) {
        (true, _) => ("good", "Everything as asked for"),
        (false, true) => ("bad", "Not as asked for"),
        (false, false) => {
            ("bad", "INVALID: the generator itself was not what it promised; the figures say little of the switch")
        }
    };
    let _ = write!(out, "<p class=\"{class}\"><b>{word}</b></p><ul>");
    for text in summary.invalid.iter().chain(&summary.faults).chain(&summary.breaches) {
        let _ = write!(out, "<li class=\"bad\">{}</li>", escaped(text));
    }
    for level in summary.levels.iter().filter(|level| level.breach.is_none()) {
        let _ = write!(out, "<li class=\"good\">{}</li>", escaped(&level.name));
    }
    out.push_str("</ul>");
}

fn row(out: &mut String, cells: &[String]) {
    out.push_str("<tr>");
    for cell in cells {
        let _ = write!(out, "<td>{}</td>", escaped(cell));
    }
    out.push_str("</tr>");
}

fn figures(out: &mut String, summary: &Summary) {
    let counts = &summary.counts;
    out.push_str("<h2>Calls</h2><table>");
    let rows = [
        ("planned", summary.planned),
        ("placed", counts.placed),
        ("of these late", counts.late),
        ("skipped", counts.skipped),
        ("unplaced", summary.unplaced),
        ("answered", counts.answered),
        ("completed", counts.completed),
        ("refused", counts.refused),
        ("cancelled", counts.cancelled),
        ("without a response", counts.unheard),
        ("attempts at terminators", counts.attempts),
        ("RTP packets sent", counts.rtp_sent),
        ("RTP packets lost", counts.rtp_lost),
        ("RTP packets late", counts.rtp_late),
        ("RTP packets repeated", counts.rtp_duplicate),
        ("RTP packets too late to be played", counts.rtp_unplayable),
        ("RTP packets at the wrong call", counts.rtp_misrouted),
        ("calls heard at one end only", counts.rtp_one_way),
        ("digits dialled", counts.dtmf_sent),
        ("digits heard", counts.dtmf_heard),
    ];
    rows.iter().for_each(|(name, count)| row(out, &[(*name).to_owned(), count.to_string()]));
    out.push_str("</table><h2>Final responses</h2><table>");
    for (code, count) in &summary.codes {
        let name = if *code == 0 { "none".to_owned() } else { code.to_string() };
        row(out, &[name, count.to_string(), format!("{:.2} %", 100.0 * *count as f64 / counts.placed.max(1) as f64)]);
    }
    out.push_str("</table>");
    if !summary.failures.is_empty() {
        out.push_str("<h2>What failed, and where</h2><table><tr><th>status</th><th>ended</th><th>before it</th>");
        out.push_str("<th>originator</th><th>terminator tried last</th><th>calls</th><th>of the placed</th></tr>");
    }
    for failure in &summary.failures {
        let share = 100.0 * failure.calls as f64 / counts.placed.max(1) as f64;
        let code = if failure.code == 0 { "none".to_owned() } else { failure.code.to_string() };
        let mut cells = vec![code, failure.ended_by.to_owned(), failure.heard.to_owned(), failure.originator.clone()];
        cells.push(failure.terminator.clone().unwrap_or_else(|| "–".to_owned()));
        cells.extend([failure.calls.to_string(), format!("{share:.2} %")]);
        row(out, &cells);
    }
    out.push_str(if summary.failures.is_empty() { "" } else { "</table>" });
}

fn over_time(out: &mut String, timeline: &[Progress], marks: &[Mark]) {
    let per_second = |of: &dyn Fn(&Progress) -> u64| {
        let mut before = (0.0, 0);
        let rate = |progress: &Progress| {
            let (at, count) = (progress.elapsed_s, of(progress));
            let rate = (count - before.1.min(count)) as f64 / (at - before.0).max(0.05);
            before = (at, count);
            (at, rate)
        };
        timeline.iter().map(rate).collect::<Vec<_>>()
    };
    let calls = timeline.iter().map(|progress| (progress.elapsed_s, progress.calls as f64)).collect();
    let rates = vec![
        Series { name: "due", points: per_second(&|progress| progress.due) },
        Series { name: "placed", points: per_second(&|progress| progress.counts.placed) },
        Series { name: "answered", points: per_second(&|progress| progress.counts.answered) },
        Series {
            name: "refused, cancelled or unheard",
            points: per_second(&|progress| {
                progress.counts.refused + progress.counts.cancelled + progress.counts.unheard
            }),
        },
    ];
    around::chart(out, "Calls a second", "calls a second", rates, marks);
    around::chart(out, "Calls in progress", "calls", vec![Series { name: "calls in progress", points: calls }], marks);
}

fn maps(out: &mut String, maps: &[(&str, &Heat)]) {
    for (name, heat) in maps.iter().filter(|(_, heat)| !heat.is_empty()) {
        let _ = write!(out, "<h2>{name}, over time</h2>{}", chart::heat_map(heat));
    }
}

/// Percentiles on an axis of nines: 90 %, 99 %, 99.9 % stand equally far apart.
fn spectrum(out: &mut String, outcome: &Outcome) {
    let shown = ["transit", "transit_back", "trying", "ringing", "answer", "bye", "lateness", "rtp_jitter"];
    let all = outcome.latencies.each();
    let series: Vec<Series<'_>> = all
        .iter()
        .filter(|(name, values)| shown.contains(name) && !values.is_empty())
        .map(|(name, values)| Series { name, points: nines(values) })
        .collect();
    if series.is_empty() {
        return;
    }
    out.push_str("<h2>Percentiles</h2>");
    let axes = (Axis { name: "percentile", logarithmic: true }, Axis { name: "ms", logarithmic: true });
    out.push_str(&chart::lines(axes.0, axes.1, &series, &percent));
}

/// Of which percentile a point of that axis tells.
fn percent(rest: f64) -> String {
    if rest <= 1.0 { "0 %".into() } else { format!("{} %", 100.0 - 100.0 / rest) }
}

fn nines(values: &Histogram<u64>) -> Vec<(f64, f64)> {
    // Beyond one value the spectrum would only repeat the largest.
    let most = (values.len() as f64).log10().max(1.0);
    let points = (0..=60).map(|nth| most * f64::from(nth) / 60.0);
    points
        .map(|nines| {
            let rest = 10_f64.powf(nines);
            (rest, values.value_at_quantile(1.0 - 1.0 / rest) as f64 / 1e6)
        })
        .collect()
}

fn latencies(out: &mut String, summary: &Summary) {
    out.push_str(
        "<table><tr><th>ms</th><th>count</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>max</th></tr>",
    );
    for (name, found) in summary.latencies.iter().filter(|(_, found)| found.count > 0) {
        let mut cells = vec![(*name).to_owned(), found.count.to_string()];
        let values = [found.p50_ms, found.p90_ms, found.p99_ms, found.p999_ms, found.max_ms];
        cells.extend(values.map(|value| format!("{value:.3}")));
        row(out, &cells);
    }
    let _ = write!(out, "</table><p>{}</p>", report::exactness(summary));
}

/// How many ends heard how well, and those that heard the worst.
fn media(out: &mut String, outcome: &Outcome) {
    let (media, mos) = (&outcome.summary.media, &outcome.quality.mos);
    let _ = write!(
        out,
        "<h2>What was heard</h2><p>{} ends of calls, mean opinion score {:.2} (E-model, ITU-T G.107, a buffer of 60 ms)</p>",
        media.ends, media.mos_mean
    );
    let rising = |nth: u32| (1.0 + f64::from(nth) * 0.05, f64::from(nth) * 50.0 + 1_000.0);
    let points = (0..=70).map(|nth| {
        let (score, upto) = rising(nth);
        (score, 100.0 * mos.count_between(0, upto as u64) as f64 / mos.len().max(1) as f64)
    });
    let series = [Series { name: "ends that heard this or worse", points: points.collect() }];
    let axes = [("mean opinion score", false), ("per cent of the ends", false)];
    let [score, share] = axes.map(|(name, logarithmic)| Axis { name, logarithmic });
    out.push_str(&chart::lines(score, share, &series, &|value| format!("{value:.1}")));
    out.push_str("<h2>The ends that heard the worst</h2><table><tr>");
    for name in
        ["call", "end", "score", "received", "lost", "runs", "late", "repeated", "too late", "jitter ms", "transit ms"]
    {
        let _ = write!(out, "<th>{name}</th>");
    }
    out.push_str("</tr>");
    for heard in &media.worst {
        let end = if heard.caller { "caller" } else { "callee" };
        let mut cells = vec![heard.place.to_string(), end.to_owned(), format!("{:.2}", heard.mos)];
        let counts = [heard.received, heard.lost, heard.loss_runs, heard.late, heard.duplicate, heard.unplayable];
        cells.extend(counts.map(|count| count.to_string()));
        cells.push(format!("{:.2}", heard.jitter_ms));
        cells.push(heard.transit_ms.map_or("–".into(), |transit_ms| format!("{transit_ms:.2}")));
        row(out, &cells);
    }
    out.push_str("</table>");
}

fn failures(out: &mut String, samples: &[Sample]) {
    out.push_str("<h2>Calls that failed</h2><p>The first few of each kind, as their callers saw them; times since the call was due.</p>");
    let mut samples: Vec<&Sample> = samples.iter().collect();
    samples.sort_by_key(|sample| (sample.code, sample.ended_by));
    for sample in samples {
        let code = if sample.code == 0 { "no final response".to_owned() } else { sample.code.to_string() };
        let _ = write!(
            out,
            "<details><summary>{code}, {}: {} to {}, {} attempts</summary><pre>",
            sample.ended_by,
            escaped(&sample.call_id),
            escaped(&sample.called),
            sample.attempts
        );
        for step in &sample.steps {
            let what =
                if step.status == 0 { step.method.to_owned() } else { format!("{} ({})", step.status, step.method) };
            let arrow = if step.out { "caller ──" } else { "caller ◀─" };
            let end = if step.out { "─▶ switch" } else { "── switch" };
            let _ = writeln!(out, "{:12.3} ms  {arrow} {what:^16} {end}", step.after_ns as f64 / 1e6);
        }
        out.push_str("</pre></details>");
    }
}

fn books(out: &mut String, summary: &Summary) {
    let Some(books) = &summary.reconciled else { return };
    let _ = write!(
        out,
        "<h2>The switch's books</h2><p>{} CDRs expected, {} found, {} prices computed again, {} disagreements</p>",
        books.expected, books.collected, books.priced, books.wrong
    );
    if books.turned_away > 0 {
        let _ = write!(out, "<p>{}</p>", report::turned_away(books.turned_away));
    }
    out.push_str("<table>");
    row(out, &["account".into(), "CDRs say".into(), "moved".into()]);
    for (account, [said, moved]) in &books.accounts {
        row(out, &[account.clone(), said.clone(), moved.clone()]);
    }
    out.push_str("</table><ul>");
    for text in &books.disagreements {
        let _ = write!(out, "<li class=\"bad\">{}</li>", escaped(text));
    }
    out.push_str("</ul>");
}

/// The page of two runs: the percentiles of each latency of both.
pub fn compared(both: &[(String, [Histogram<u64>; 2])], told: &str) -> String {
    let mut out = String::from(HEAD);
    out.push_str("<title>Two load tests</title><h1>Two load tests, one over the other</h1>");
    let _ = write!(out, "<pre>{}</pre>", escaped(told));
    for (name, values) in both.iter().filter(|(_, values)| values.iter().all(|values| !values.is_empty())) {
        let series: Vec<Series<'_>> = ["before", "after"]
            .into_iter()
            .zip(values)
            .map(|(name, values)| Series { name, points: nines(values) })
            .collect();
        let axes = (Axis { name: "percentile", logarithmic: true }, Axis { name: "ms", logarithmic: true });
        let _ = write!(out, "<h2>{}</h2>{}", escaped(name), chart::lines(axes.0, axes.1, &series, &percent));
    }
    out.push_str("</html>");
    out
}

/// One rate that was tried by a search for the highest.
pub struct Tried {
    /// Offered calls a second.
    pub offered: f64,
    /// Answered calls a second.
    pub answered: f64,
    /// Median and 99th percentile from INVITE to answer, in milliseconds.
    pub answer_ms: (f64, f64),
    /// Why the rate was not carried; empty if it was.
    pub why: String,
}

/// The page of a search: where the knee is. `tried` in order of the rate.
pub fn knee(tried: &[Tried], told: &str, command: &[String]) -> String {
    let of = |value: &dyn Fn(&Tried) -> f64| tried.iter().map(|tried| (tried.offered, value(tried))).collect();
    let rates = [
        Series { name: "offered", points: of(&|tried| tried.offered) },
        Series { name: "answered", points: of(&|tried| tried.answered) },
    ];
    let times = [
        Series { name: "p50", points: of(&|tried| tried.answer_ms.0) },
        Series { name: "p99", points: of(&|tried| tried.answer_ms.1) },
    ];
    let offered = Axis { name: "offered calls a second", logarithmic: false };
    let whole = |value: f64| format!("{value:.0}");
    let mut out = String::from(HEAD);
    out.push_str("<title>Highest rate</title><h1>The highest rate within its levels</h1><h2>The knee</h2>");
    out.push_str(&chart::lines(offered, Axis { name: "answered calls a second", logarithmic: false }, &rates, &whole));
    out.push_str("<h2>From INVITE to answer</h2>");
    out.push_str(&chart::lines(offered, Axis { name: "ms", logarithmic: true }, &times, &whole));
    out.push_str("<h2>What was not carried</h2><ul>");
    for tried in tried.iter().filter(|tried| !tried.why.is_empty()) {
        let _ = write!(out, "<li class=\"bad\">{:.1}: {}</li>", tried.offered, escaped(&tried.why));
    }
    let _ = write!(
        out,
        "</ul><pre>{}</pre><p><code>{}</code></p></html>",
        escaped(told),
        escaped(&report::to_repeat(command, None))
    );
    out
}
