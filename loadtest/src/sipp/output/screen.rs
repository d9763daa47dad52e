//! The screens: how far each step is, what was counted, and how long it took.

use std::fmt::Write as _;

use super::rows;
use crate::clock::SECOND;
use crate::sipp::scenario::{Kind, Pause};
use crate::sipp::spread::Spread;
use crate::sipp::statistics::{Count, Spans};
use crate::sipp::world::World;

/// All screens.
pub fn all(world: &World, rate: f64, now: u64) -> String {
    let mut out = String::new();
    scenario(world, rate, now, &mut out);
    statistics(world, now, &mut out);
    repartition(world, &mut out);
    out
}

fn line(title: &str, out: &mut String) {
    let _ = writeln!(out, "{title:-^79}");
}

/// The steps.
pub fn scenario(world: &World, rate: f64, now: u64, out: &mut String) {
    let (options, statistics) = (&world.options, &world.statistics);
    let (s, port, transport) = (now as f64 / SECOND as f64, world.local.port(), options.transport.name());
    line(" Scenario Screen ", out);
    let created = statistics.created();
    match world.remote.filter(|_| world.scenario.calls()) {
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
        let (name, timeouts, unexpected) = match &step.kind {
            Kind::Send(sending) => (format!("{:>12} ---------->", sending.title), sending.retrans_ms.is_some(), false),
            Kind::Recv(expecting) => (format!("{:>12} <----------", expecting.title), true, true),
            Kind::Pause(pause) => (format!("{:>12} [{:>8}]", "Pause", length(pause, options.pause_ms)), false, true),
            Kind::Nop => (format!("{:>12}", "[ NOP ]"), false, false),
        };
        let rtd = step.ends.map_or_else(String::new, |which| format!("E-RTD{}", world.scenario.times[which]));
        let some = |is: bool, count: u64| if is { count.to_string() } else { String::new() };
        let again =
            if matches!(step.kind, Kind::Pause(_) | Kind::Nop) { String::new() } else { counts.again.to_string() };
        let (timeouts, unexpected) = (some(timeouts, counts.timeouts), some(unexpected, counts.unexpected));
        let row = format!("{name} {rtd:<7}{:<10}{again:<10}{timeouts:<10}{unexpected}", counts.done);
        let _ = writeln!(out, "{}", row.trim_end());
        if step.crlf {
            out.push('\n');
        }
    }
}

fn length(pause: &Pause, asked_ms: u64) -> String {
    match pause {
        Pause::Asked => format!("{asked_ms}ms"),
        Pause::Drawn(Spread::Fixed(ms)) | Pause::Linger(Spread::Fixed(ms)) => format!("{ms}ms"),
        Pause::Drawn(_) | Pause::Linger(_) => "drawn".to_owned(),
        Pause::Variable(_) => "variable".to_owned(),
    }
}

/// The counters.
pub fn statistics(world: &World, now: u64, out: &mut String) {
    line(" Statistics Screen ", out);
    let counts = &world.statistics;
    let mut row = |name: &str, whole: String| {
        let _ = writeln!(out, "  {name:<22} | {whole:>26}");
    };
    let s = now as f64 / SECOND as f64;
    row("Counter Name", "Cumulative value".to_owned());
    row("Elapsed Time", rows::span(s * 1e3));
    row("Call Rate", format!("{:.3} cps", if s > 0.0 { counts.created() as f64 / s } else { 0.0 }));
    row("Incoming calls created", counts.total(Count::Incoming).to_string());
    row("Outgoing calls created", counts.total(Count::Outgoing).to_string());
    row("Total Calls created", counts.created().to_string());
    row("Current Calls", counts.current.to_string());
    row("Successful call", counts.total(Count::Successful).to_string());
    row("Failed call", counts.total(Count::Failed).to_string());
    for (name, both) in world.scenario.times.iter().zip(&counts.times) {
        row(&format!("Response Time {name}"), rows::span(both.whole.mean_ms()));
    }
    row("Call Length", rows::span(counts.lengths.whole.mean_ms()));
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
