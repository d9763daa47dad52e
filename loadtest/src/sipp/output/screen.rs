//! The screens: how far each step is, what was counted, and how long it took.

use std::fmt::Write as _;

use super::{Moments, rows};
use crate::sipp::scenario::{Kind, Pause, Scope};
use crate::sipp::spread::Spread;
use crate::sipp::statistics::{Count, Spans};
use crate::sipp::world::World;

/// All screens.
pub fn all(world: &World, rate: f64, moments: &Moments) -> String {
    let mut out = String::new();
    scenario(world, rate, moments.elapsed_s, &mut out);
    statistics(world, moments, &mut out);
    repartition(world, &mut out);
    out
}

fn line(title: &str, out: &mut String) {
    let _ = writeln!(out, "{title:-^79}");
}

/// The steps.
pub fn scenario(world: &World, rate: f64, s: f64, out: &mut String) {
    let (options, statistics) = (&world.options, &world.statistics);
    let (port, transport) = (world.local.port(), options.transport.name());
    line(" Scenario Screen ", out);
    let created = statistics.created();
    match world.remote.filter(|_| world.scenario.places()) {
        Some(remote) => {
            let _ = writeln!(out, "  Call rate (length)   Port   Total-time  Total-calls  Remote-host");
            let period = options.period_ms as f64 / 1e3;
            let _ = writeln!(
                out,
                "  {rate:.1}({} ms)/{period:.3}s   {port}   {s:8.2} s     {created:8}  {remote}({transport})",
                options.pause_ms
            );
        }
        None => {
            let _ = writeln!(out, "  Port   Total-time  Total-calls  Transport");
            let _ = writeln!(out, "  {port}   {s:8.2} s     {created:8}  {transport}");
        }
    }
    let (peak, at) = statistics.peak;
    let skipped = statistics.skipped;
    let _ = writeln!(
        out,
        "\n  {} calls, {skipped} skipped               Peak was {peak} calls, after {at} s",
        statistics.current
    );
    let (dead, outside) = (statistics.total(Count::DeadCall), statistics.total(Count::OutOfCall));
    let _ = writeln!(out, "  {dead} dead call msg (discarded)             {outside} out-of-call msg (discarded)");
    if world.packets_sent + world.packets_heard > 0 {
        let _ = writeln!(out, "  {} RTP packets sent, {} heard", world.packets_sent, world.packets_heard);
    }
    let _ = writeln!(out, "\n{:33}Messages  Retrans   Timeout   Unexpected-Msg", "");
    for (step, counts) in world.scenario.steps.iter().zip(&statistics.steps) {
        if step.hidden {
            continue;
        }
        let calls = world.scenario.places();
        let (name, timeouts, unexpected) = match &step.kind {
            Kind::Send(sending) => (named(&sending.title, calls, true), sending.retrans_ms.is_some(), false),
            Kind::Recv(expecting) => (named(&expecting.title, calls, false), true, true),
            Kind::Command(_) => (format!("{:>24}", "[ Sent Command ]"), false, false),
            Kind::Await(_) => (format!("{:>24}", "[ Received Command ]"), false, false),
            Kind::Pause(pause) if calls => {
                (format!("{:>12} [{:>9}]", "Pause", length(pause, options.pause_ms)), false, true)
            }
            Kind::Pause(pause) => (format!("  [{:>9}] Pause", length(pause, options.pause_ms)), false, true),
            Kind::Nop => (format!("{:>12}", "[ NOP ]"), false, false),
        };
        let rtd = step.ends.map_or_else(String::new, |which| format!("E-RTD{}", world.scenario.times[which]));
        let some = |is: bool, count: u64| if is { count.to_string() } else { String::new() };
        let again = some(matches!(step.kind, Kind::Send(_) | Kind::Recv(_)), counts.again);
        let (timeouts, unexpected) = (some(timeouts, counts.timeouts), some(unexpected, counts.unexpected));
        let row = format!("{name:24}  {rtd:<7}{:<10}{again:<10}{timeouts:<10}{unexpected}", counts.done);
        let _ = writeln!(out, "{}", row.trim_end());
        if step.crlf {
            out.push('\n');
        }
    }
}

/// A message with its arrow: the other side is at the right of who calls and at the left of who is called.
fn named(title: &str, calls: bool, sent: bool) -> String {
    let arrow = if calls == sent { "---------->" } else { "<----------" };
    if calls { format!("{title:>12} {arrow}") } else { format!("  {arrow} {title}") }
}

fn length(pause: &Pause, asked_ms: u64) -> String {
    match pause {
        Pause::Asked => format!("{asked_ms}ms"),
        Pause::Drawn(Spread::Fixed(ms)) | Pause::Linger(Spread::Fixed(ms)) => format!("{ms}ms"),
        Pause::Drawn(_) | Pause::Linger(_) => "drawn".to_owned(),
        Pause::Variable(_) => "variable".to_owned(),
    }
}

/// The counters: of a period and of the whole run, each where SIPp has it.
pub fn statistics(world: &World, moments: &Moments, out: &mut String) {
    line(" Statistics Screen ", out);
    let counts = &world.statistics;
    let rule = format!("{:-<25}+{:-<27}+{:-<26}", "", "", "");
    let mut row = |name: &str, period: String, whole: String| {
        let _ = writeln!(out, "  {name:<22} | {period:<26}| {whole:<25}");
    };
    let number = |count: u64| format!("{count:>8}");
    let both = |what| {
        let (period, whole) = counts.of(what);
        (number(period), number(whole))
    };
    let rate = |calls: u64, s: f64| format!("{:>8.3} cps", if s > 0.0 { calls as f64 / s } else { 0.0 });
    let (incoming, outgoing) = (counts.of(Count::Incoming), counts.of(Count::Outgoing));
    row("Counter Name", "Periodic value".to_owned(), "Cumulative value".to_owned());
    row("Elapsed Time", rows::span(moments.period_s * 1e3), rows::span(moments.elapsed_s * 1e3));
    let calls = (incoming.0 + outgoing.0, counts.created());
    row("Call Rate", rate(calls.0, moments.period_s), rate(calls.1, moments.elapsed_s));
    for (name, what) in [("Incoming calls created", Count::Incoming), ("Outgoing calls created", Count::Outgoing)] {
        let (period, whole) = both(what);
        row(name, period, whole);
    }
    row("Total Calls created", String::new(), number(counts.created()));
    row("Current Calls", number(counts.current), String::new());
    for (name, what) in [("Successful call", Count::Successful), ("Failed call", Count::Failed)] {
        let (period, whole) = both(what);
        row(name, period, whole);
    }
    for (name, spans) in world.scenario.times.iter().zip(&counts.times) {
        row(&format!("Response Time {name}"), rows::span(spans.period.mean_ms()), rows::span(spans.whole.mean_ms()));
    }
    let lengths = &counts.lengths;
    row("Call Length", rows::span(lengths.period.mean_ms()), rows::span(lengths.whole.mean_ms()));
    let _ = writeln!(out, "{rule}");
}

/// Variables that calls share, and what they hold.
pub fn variables(world: &World, out: &mut String) {
    line(" Variable Screen ", out);
    for (variable, value) in world.scenario.variables.iter().zip(&world.globals) {
        if variable.scope == Scope::Global {
            let mut text = String::new();
            value.write(&mut text);
            let _ = writeln!(out, "  {:<22} | {text}", variable.name);
        }
    }
    line("", out);
}

/// How long responses and calls took.
pub fn repartition(world: &World, out: &mut String) {
    line(" Repartition Screen ", out);
    let scenario = &world.scenario;
    for (name, both) in scenario.times.iter().zip(&world.statistics.times) {
        table(&format!("Average Response Time Repartition {name}"), &both.whole, &scenario.time_limits, out);
    }
    table("Average Call Length Repartition", &world.statistics.lengths.whole, &scenario.length_limits, out);
    line("", out);
}

fn table(title: &str, spans: &Spans, limits: &[u64], out: &mut String) {
    if limits.is_empty() {
        return;
    }
    let _ = writeln!(out, "  {title}");
    let count = |step: usize| spans.table.get(step).copied().unwrap_or(0);
    let mut from = 0;
    for (step, limit) in limits.iter().enumerate() {
        let _ = writeln!(out, "    {from:10} ms <= n < {limit:10} ms : {:10}", count(step));
        from = *limit;
    }
    let _ = writeln!(out, "    {:14} n >= {from:10} ms : {:10}", "", count(limits.len()));
}
