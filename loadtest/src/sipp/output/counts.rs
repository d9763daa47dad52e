//! How often each step was done (`-trace_counts`) and which responses nobody expected (`-trace_error_codes`), column by column as SIPp 3.6
//! writes them.

use super::Moments;
use super::rows::{moment, span};
use crate::sipp::scenario::{Kind, Step};
use crate::sipp::statistics::StepCounts;
use crate::sipp::world::World;

/// A step's columns; where anything is lost on purpose, all messages say how often they were.
fn columns(step: &Step, counts: StepCounts, loses: bool) -> Vec<(&'static str, u64)> {
    let StepCounts { done, again, timeouts, unexpected, lost } = counts;
    let lost = loses.then_some(("Lost", lost));
    match &step.kind {
        Kind::Send(sending) => {
            let timeouts = sending.retrans_ms.map(|_| ("Timeout", timeouts));
            [("Sent", done), ("Retrans", again)].into_iter().chain(timeouts).chain(lost).collect()
        }
        Kind::Recv(_) => {
            let counts = [("Recv", done), ("Retrans", again), ("Timeout", timeouts), ("Unexp", unexpected)];
            counts.into_iter().chain(lost).collect()
        }
        // SIPp has columns of commands, and counts nothing in them.
        Kind::Command(_) | Kind::Await(_) => vec![("Sessions", 0), ("Unexp", 0)],
        Kind::Pause(_) | Kind::Nop => vec![("Sessions", done), ("Unexp", unexpected)],
    }
}

fn title(step: &Step) -> &str {
    match &step.kind {
        Kind::Send(sending) => &sending.title,
        Kind::Recv(expecting) => &expecting.title,
        Kind::Command(_) | Kind::Await(_) | Kind::Pause(_) | Kind::Nop => "Pause",
    }
}

fn loses(world: &World) -> bool {
    let on_purpose = |step: &Step| match &step.kind {
        Kind::Send(sending) => sending.lost.is_some(),
        Kind::Recv(expecting) => expecting.lost.is_some(),
        Kind::Command(_) | Kind::Await(_) | Kind::Pause(_) | Kind::Nop => false,
    };
    world.options.lost > 0.0 || world.scenario.steps.iter().any(on_purpose)
}

/// The first line.
pub fn head(world: &World, delimiter: &str) -> String {
    let mut out = format!("CurrentTime{delimiter}ElapsedTime{delimiter}");
    for (index, step) in world.scenario.steps.iter().enumerate() {
        for (name, _) in columns(step, StepCounts::default(), loses(world)) {
            out.push_str(&format!("{index}_{}_{name}{delimiter}", title(step)));
        }
    }
    out.push('\n');
    out
}

/// One line, of the whole run.
pub fn row(world: &World, moments: &Moments, delimiter: &str) -> String {
    let mut out = begun(moments, delimiter);
    for (step, counts) in world.scenario.steps.iter().zip(&world.statistics.steps) {
        for (_, count) in columns(step, *counts, loses(world)) {
            out.push_str(&format!("{count}{delimiter}"));
        }
    }
    out.push('\n');
    out
}

/// One line: the statuses since the last one.
pub fn codes(world: &World, moments: &Moments, delimiter: &str) -> String {
    let mut out = begun(moments, delimiter);
    for code in &world.statistics.unexpected {
        out.push_str(&format!("{code},"));
    }
    out.push('\n');
    out
}

fn begun(moments: &Moments, delimiter: &str) -> String {
    format!("{}{delimiter}{}{delimiter}", moment(moments.now), span(moments.elapsed_s * 1e3))
}
