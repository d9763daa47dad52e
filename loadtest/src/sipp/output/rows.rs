//! The statistics file (`-trace_stat`), column by column as SIPp 3.6 writes it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Moments;
use crate::sipp::statistics::{Both, Count};
use crate::sipp::world::World;

/// Columns that count, in the order of [`Count`] from its third.
const FAILURES: [&str; 27] = [
    "SuccessfulCall",
    "FailedCall",
    "FailedCannotSendMessage",
    "FailedMaxUDPRetrans",
    "FailedTcpConnect",
    "FailedTcpClosed",
    "FailedUnexpectedMessage",
    "FailedCallRejected",
    "FailedCmdNotSent",
    "FailedRegexpDoesntMatch",
    "FailedRegexpShouldntMatch",
    "FailedRegexpHdrNotFound",
    "FailedOutboundCongestion",
    "FailedTimeoutOnRecv",
    "FailedTimeoutOnSend",
    "FailedTestDoesntMatch",
    "FailedTestShouldntMatch",
    "FailedStrcmpDoesntMatch",
    "FailedStrcmpShouldntMatch",
    "OutOfCallMsgs",
    "DeadCallMsgs",
    "Retransmissions",
    "AutoAnswered",
    "Warnings",
    "FatalErrors",
    "WatchdogMajor",
    "WatchdogMinor",
];

struct Row<'a> {
    text: String,
    delimiter: &'a str,
}

impl Row<'_> {
    fn put(&mut self, value: impl std::fmt::Display) {
        self.text.push_str(&value.to_string());
        self.text.push_str(self.delimiter);
    }

    /// A column of a period and one of the whole run.
    fn both(&mut self, name: &str) {
        self.put(format_args!("{name}(P)"));
        self.put(format_args!("{name}(C)"));
    }

    fn end(mut self) -> String {
        self.text.push('\n');
        self.text
    }
}

/// The first line.
pub fn head(world: &World, delimiter: &str) -> String {
    let mut row = Row { text: String::new(), delimiter };
    for name in ["StartTime", "LastResetTime", "CurrentTime", "ElapsedTime(P)", "ElapsedTime(C)", "TargetRate"] {
        row.put(name);
    }
    ["CallRate", "IncomingCall", "OutgoingCall"].iter().for_each(|name| row.both(name));
    row.put("TotalCallCreated");
    row.put("CurrentCall");
    FAILURES.iter().for_each(|name| row.both(name));
    let scenario = &world.scenario;
    let times: Vec<String> = scenario.times.iter().map(|name| format!("ResponseTime{name}")).collect();
    for name in times.iter().map(String::as_str).chain(["CallLength"]) {
        row.both(name);
        row.both(&format!("{name}StDev"));
    }
    scenario.counters.iter().for_each(|name| row.both(name));
    for name in &scenario.times {
        limits(&mut row, &format!("ResponseTimeRepartition{name}"), &scenario.time_limits);
    }
    limits(&mut row, "CallLengthRepartition", &scenario.length_limits);
    row.end()
}

fn limits(row: &mut Row<'_>, name: &str, limits: &[u64]) {
    let Some(last) = limits.last() else { return };
    row.put(name);
    limits.iter().for_each(|limit| row.put(format_args!("{name}_<{limit}")));
    row.put(format_args!("{name}_>={last}"));
}

/// One line.
pub fn row(world: &World, moments: &Moments, rate: f64, delimiter: &str) -> String {
    let statistics = &world.statistics;
    let mut row = Row { text: String::new(), delimiter };
    [moments.began, moments.reset, moments.now].into_iter().for_each(|at| row.put(moment(at)));
    row.put(seconds(moments.period_s));
    row.put(seconds(moments.elapsed_s));
    row.put(world.users.wanted().map_or(rate, |users| users as f64));
    let created = |(period, whole): (u64, u64), (more, most): (u64, u64)| (period + more, whole + most);
    let (incoming, outgoing) = (statistics.of(Count::Incoming), statistics.of(Count::Outgoing));
    let (period, whole) = created(incoming, outgoing);
    row.put(per_second(period, moments.period_s));
    row.put(per_second(whole, moments.elapsed_s));
    for (period, whole) in [incoming, outgoing] {
        row.put(period);
        row.put(whole);
    }
    row.put(whole);
    row.put(statistics.current);
    for (period, whole) in statistics.all().skip(Count::Successful as usize) {
        row.put(period);
        row.put(whole);
    }
    for both in statistics.times.iter().chain([&statistics.lengths]) {
        for ms in [both.period.mean_ms(), both.whole.mean_ms(), both.period.deviation_ms(), both.whole.deviation_ms()] {
            row.put(span(ms));
        }
    }
    for (period, whole) in &statistics.counters {
        row.put(period);
        row.put(whole);
    }
    for both in &statistics.times {
        table(&mut row, both, world.scenario.time_limits.len());
    }
    table(&mut row, &statistics.lengths, world.scenario.length_limits.len());
    row.end()
}

fn table(row: &mut Row<'_>, both: &Both, limits: usize) {
    if limits == 0 {
        return;
    }
    row.put("");
    for step in 0..=limits {
        row.put(both.whole.table.get(step).copied().unwrap_or(0));
    }
}

/// Date, tab, time, tab, seconds since 1970.
pub fn moment(at: Timestamp) -> String {
    let local = at.to_zoned(TimeZone::system());
    format!("{}\t{:.6}", local.strftime("%Y-%m-%d\t%H:%M:%S.%6f"), at.as_microsecond() as f64 / 1e6)
}

fn seconds(s: f64) -> String {
    let s = s as u64;
    format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

/// Hours, minutes, seconds and microseconds.
pub fn span(ms: f64) -> String {
    let us = (ms * 1e3) as u64;
    format!("{}:{:06}", seconds(us as f64 / 1e6), us % 1_000_000)
}

fn per_second(calls: u64, s: f64) -> f64 {
    let rate = if s > 0.0 { calls as f64 / s } else { 0.0 };
    (rate * 1e4).round() / 1e4
}
