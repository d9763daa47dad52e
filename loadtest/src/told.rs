//! What a run says of itself to people: the line that they watch, and the summary.

use std::fmt::Write;

use crate::quality::POOR;
use crate::reconcile::Reconciled;
use crate::report::{self, Summary};
use crate::tally::Counts;

/// Ways to fail that are told.
const FAILURES: usize = 5;

/// The line that people watch.
pub fn live_text(elapsed_s: f64, due: u64, calls: u64, cps: u64, counts: &Counts) -> String {
    let failed = counts.refused + counts.cancelled + counts.unheard;
    format!(
        "{elapsed_s:6.1} s  due {due}  placed {}  {cps}/s  in progress {calls}  answered {}  completed {}  failed {failed}  \
         late {}  skipped {}  rtp {}/{} lost {} misrouted {}",
        counts.placed,
        counts.answered,
        counts.completed,
        counts.late,
        counts.skipped,
        counts.rtp_received,
        counts.rtp_sent,
        counts.rtp_lost,
        counts.rtp_misrouted,
    )
}

/// The summary for people.
pub fn summary_text(summary: &Summary) -> String {
    let counts = &summary.counts;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "planned {}  placed {}  late {}  skipped {}  unplaced {}\nanswered {}  completed {}  refused {}  cancelled {}  unheard {}",
        summary.planned,
        counts.placed,
        counts.late,
        counts.skipped,
        summary.unplaced,
        counts.answered,
        counts.completed,
        counts.refused,
        counts.cancelled,
        counts.unheard
    );
    let _ = writeln!(
        text,
        "attempts {}  a call {:.2}  proved {}  refreshed {}  not refreshed {}",
        counts.attempts,
        counts.attempts as f64 / counts.placed.max(1) as f64,
        counts.proved,
        counts.refreshed,
        counts.unrefreshed
    );
    let codes: Vec<String> = summary.codes.iter().map(|(code, count)| format!("{code}: {count}")).collect();
    let _ = writeln!(text, "final responses  {}", codes.join("  "));
    tell_media(&mut text, summary);
    tell_latencies(&mut text, summary);
    if let Some(books) = &summary.reconciled {
        tell_books(&mut text, books);
    }
    for failure in summary.failures.iter().take(FAILURES) {
        let code = if failure.code == 0 { "none".to_owned() } else { failure.code.to_string() };
        let terminator = failure.terminator.as_deref().unwrap_or("no terminator");
        let report::Failure { ended_by, heard, originator, calls, .. } = failure;
        let _ = writeln!(text, "failed {calls}: {code}, {ended_by} after {heard}, {originator} to {terminator}");
    }
    if !summary.valid {
        tell_lateness(&mut text, summary);
    }
    if summary.paced_by_hand > 0 {
        let _ = writeln!(text, "the rate was changed by hand {} times", summary.paced_by_hand);
    }
    for fault in &summary.faults {
        let _ = writeln!(text, "FAULT: {fault}");
    }
    for breach in &summary.breaches {
        let _ = writeln!(text, "BREACH: {breach}");
    }
    text
}

fn tell_media(text: &mut String, summary: &Summary) {
    let (counts, media) = (&summary.counts, &summary.media);
    let _ = writeln!(
        text,
        "rtp sent {}  received {}  lost {}  late {}  repeated {}  too late to play {}  misrouted {}",
        counts.rtp_sent,
        counts.rtp_received,
        counts.rtp_lost,
        counts.rtp_late,
        counts.rtp_duplicate,
        counts.rtp_unplayable,
        counts.rtp_misrouted,
    );
    if counts.rtp_by_kernel > 0 {
        let _ = writeln!(text, "  by the kernel {}  left out {}", counts.rtp_by_kernel, counts.rtp_left_out);
    }
    if counts.dtmf_sent > 0 {
        let _ = writeln!(
            text,
            "digits dialled {}  heard {}  wrong {}",
            counts.dtmf_sent, counts.dtmf_heard, counts.dtmf_wrong
        );
    }
    if media.ends == 0 {
        return;
    }
    let _ = writeln!(
        text,
        "heard by {} ends  mean opinion score {:.2}  p50 {:.2}  p5 {:.2}  p1 {:.2}  lowest {:.2}  poor {}  one-way calls {}",
        media.ends,
        media.mos_mean,
        media.mos_p50,
        media.mos_p5,
        media.mos_p1,
        media.mos_min,
        counts.rtp_poor,
        counts.rtp_one_way
    );
    for heard in media.worst.iter().filter(|heard| heard.mos < POOR).take(3) {
        let end = if heard.caller { "caller" } else { "callee" };
        let _ = writeln!(
            text,
            "  call {} at its {end}: {:.2}, lost {} of {}, jitter {:.1} ms",
            heard.place,
            heard.mos,
            heard.lost,
            heard.received + heard.lost,
            heard.jitter_ms
        );
    }
}

fn tell_books(text: &mut String, books: &Reconciled) {
    let Reconciled { expected, collected, answered, priced, wrong, .. } = books;
    let _ = writeln!(
        text,
        "books: {expected} CDRs expected, {collected} found, {answered} answered, {priced} prices computed again, {wrong} disagreements"
    );
    if books.turned_away > 0 {
        let _ = writeln!(text, "  {}", report::turned_away(books.turned_away));
    }
    let media = &books.media;
    if media.ends > 0 {
        let _ = writeln!(
            text,
            "  media of {} ends: {} packets sent, {} heard; CDRs say {} relayed, {} of them by the kernel, and {} lost",
            media.ends, media.sent, media.received, media.packets, media.kernel_packets, media.lost
        );
    }
    for (account, [said, moved]) in &books.accounts {
        let _ = writeln!(text, "  {account}: CDRs say {said}, the account moved by {moved}");
    }
    for disagreement in &books.disagreements {
        let _ = writeln!(text, "  WRONG: {disagreement}");
    }
}

fn tell_latencies(text: &mut String, summary: &Summary) {
    let _ = writeln!(
        text,
        "{:16} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "latency, ms", "count", "p50", "p90", "p99", "p99.9", "max"
    );
    for (name, row) in summary.latencies.iter().filter(|(_, row)| row.count > 0) {
        let _ = writeln!(
            text,
            "{name:16} {:>9} {:>9.3} {:>9.3} {:>9.3} {:>9.3} {:>9.3}",
            row.count, row.p50_ms, row.p90_ms, row.p99_ms, row.p999_ms, row.max_ms
        );
    }
    let _ = writeln!(text, "{}", report::exactness(summary));
}

fn tell_lateness(text: &mut String, summary: &Summary) {
    text.push_str("INVALID: the figures say little of the switch\n");
    for why in &summary.invalid {
        let _ = writeln!(text, "  {why}");
    }
    text.push_str("  lateness of the generator:");
    for row in summary.lateness.iter().filter(|row| row.calls > 0) {
        let upto = row.upto_ms.map_or("more".into(), |upto_ms| format!("≤ {upto_ms} ms"));
        let _ = write!(text, "  {upto}: {}", row.calls);
    }
    text.push('\n');
}
