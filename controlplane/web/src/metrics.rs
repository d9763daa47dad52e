//! Metrics in Prometheus's text format: prefix `tandem_`, base units, bounded labels.

mod machine;

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use store::NoticeFigures;

use crate::live::Heard;
use crate::services::{Backlog, Inner};
use crate::value::Time;

/// Upper bounds of latency buckets in nanoseconds, with the label in seconds.
const BOUNDS: [(u64, &str); 15] = [
    (1_000, "0.000001"),
    (5_000, "0.000005"),
    (10_000, "0.00001"),
    (25_000, "0.000025"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (1_000_000_000, "1"),
    (10_000_000_000, "10"),
];

/// All metrics of this node.
pub(crate) fn text(app: &Inner) -> String {
    let mut out = String::with_capacity(16 << 10);
    let heard = app.live.heard();
    let up = heard.as_ref().is_some_and(Heard::is_up);
    gauge(&mut out, "data_plane_up", "The data plane answers.", u64::from(up));
    gauge(&mut out, "published_revision", "The newest published snapshot.", app.snapshots.revision());
    backlog(&mut out, &app.link.backlog());
    let silent = u64::from(app.store.replica_is_silent());
    let help = "The ledger waits for a replica that does not acknowledge; nodes live on what they hold.";
    gauge(&mut out, "ledger_replica_silent", help, silent);
    notices(&mut out, app.store.notice_figures());
    files(&mut out, &app.files.states());
    if let Some(state) = app.search.state() {
        search(&mut out, &state);
    }
    machine::machine(&mut out, &app.machine.borrow());
    if let Some(heard) = heard {
        node(&mut out, &heard);
        shards(&mut out, &heard);
        standings(&mut out, &heard);
        media_sockets(&mut out, &heard);
        fast_path(&mut out, &heard);
        counters(&mut out, &heard);
        stages(&mut out, &heard);
    }
    out
}

fn notices(out: &mut String, figures: &NoticeFigures) {
    let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
    counter(out, "notices_sent_total", "Notices of balances that mail or a POST told.", read(&figures.sent));
    counter(out, "notices_failed_total", "Tries to tell a notice that failed.", read(&figures.failed));
    gauge(out, "notices_waiting", "Notices that are still to be told, counted by way.", read(&figures.waiting));
    let oldest = figures.oldest.load(Ordering::Relaxed);
    let waits = if oldest == 0 { 0 } else { Time::now().micros().saturating_sub(oldest) / 1_000_000 };
    let waits = u64::try_from(waits).unwrap_or(0);
    gauge(out, "notices_oldest_seconds", "Since the oldest notice that is still to be told was raised.", waits);
}

fn files(out: &mut String, places: &[files::State]) {
    let now = Time::now().micros();
    let waits = |place: &files::State| {
        u64::try_from(place.oldest_us.map_or(0, |oldest| now.saturating_sub(oldest) / 1_000_000)).unwrap_or(0)
    };
    type Row = (&'static str, &'static str, &'static str, fn(&files::State) -> u64);
    let rows: [Row; 5] = [
        ("files_copied_total", "Recordings and captures copied to a place.", "counter", |place| place.copied),
        ("files_copied_bytes_total", "Bytes of them.", "counter", |place| place.copied_bytes),
        ("files_failed_total", "Tries to copy that failed; they are repeated.", "counter", |place| place.failed),
        ("files_lost_total", "Files that were removed here before they were copied.", "counter", |place| place.lost),
        ("files_waiting", "Files that are still to be copied to a place.", "gauge", |place| place.waiting),
    ];
    let label = |place: &files::State| format!("{{place=\"{}\"}}", place.to.replace('\\', "\\\\").replace('"', "\\\""));
    for (name, help, kind, value) in rows {
        header(out, name, help, kind);
        places.iter().for_each(|place| line(out, name, &label(place), value(place)));
    }
    let name = "files_oldest_seconds";
    header(out, name, "Since the oldest file that is still to be copied was finished.", "gauge");
    places.iter().for_each(|place| line(out, name, &label(place), waits(place)));
}

fn search(out: &mut String, state: &search::State) {
    counter(out, "search_sent_total", "CDRs that the search engine took from this node.", state.sent);
    let help = "CDRs that it refused by themselves; the database finds them.";
    counter(out, "search_refused_total", help, state.refused);
    counter(out, "search_failed_total", "Tries to tell it CDRs that failed; they are repeated.", state.failed);
    gauge(out, "search_waiting", "CDRs that it is still to be told, of all nodes.", state.waiting);
    let waits = state.oldest.map_or(0, |oldest| Time::now().micros().saturating_sub(oldest.micros()) / 1_000_000);
    let waits = u64::try_from(waits).unwrap_or(0);
    gauge(out, "search_oldest_seconds", "Since the oldest CDR that it is still to be told came.", waits);
}

fn backlog(out: &mut String, backlog: &Backlog) {
    if let Some(records) = backlog.records {
        gauge(out, "cdr_backlog", "Journal records not yet in the database.", records);
        let waits = backlog.oldest.map_or(0, |oldest| Time::now().micros().saturating_sub(oldest.micros()) / 1_000_000);
        let waits = u64::try_from(waits).unwrap_or(0);
        gauge(out, "cdr_backlog_age_seconds", "Since the oldest record that is not yet in the database ended.", waits);
    }
    if let Some(bytes) = backlog.bytes {
        gauge(out, "cdr_backlog_bytes", "Journal bytes not yet in the database.", bytes);
    }
    let help = "Records that the database refused and damaged stretches of the journal, until a person looks.";
    gauge(out, "cdr_set_aside", help, backlog.set_aside);
}

fn node(out: &mut String, heard: &Heard) {
    let figures = &heard.figures;
    gauge(out, "snapshot_revision", "The snapshot in force.", figures.revision);
    gauge(out, "draining", "New calls are refused.", u64::from(figures.draining));
    gauge(out, "uptime_seconds", "Seconds since the data plane's start.", figures.uptime_s);
    gauge(out, "boot", "How often the data plane has started.", u64::from(figures.boot));
    gauge(
        out,
        "journal_failing",
        "The journal cannot be written; new calls are refused.",
        u64::from(figures.journal_failing),
    );
    let disk = u64::from(figures.journal_disk_percent);
    gauge(out, "journal_disk_percent", "Share of the journal's file system in use.", disk);
    let sharing = figures.sharing;
    gauge(
        out,
        "limit_nodes",
        "Nodes that share limits, this one included; 0: it has all of them.",
        u64::from(sharing.nodes),
    );
    let help = "The parts of limits that this node has stand; 0 where it shares none, or has not heard from etcd for too long.";
    gauge(out, "limit_parts_sure", help, u64::from(sharing.sure));
    header(out, "journal_bytes_total", "Bytes written to the journal.", "counter");
    line(out, "journal_bytes_total", "", figures.journal_bytes);
}

fn shards(out: &mut String, heard: &Heard) {
    let each = |out: &mut String, name: &str, help: &str, value: fn(&panel::wire::ShardFigures) -> u64| {
        header(out, name, help, "gauge");
        for shard in &heard.figures.shards {
            line(out, name, &format!("{{shard=\"{}\"}}", shard.shard), value(shard));
        }
    };
    each(out, "calls_active", "Running calls.", |shard| u64::from(shard.calls));
    each(out, "calls_answered_active", "Running calls that are answered.", |shard| u64::from(shard.answered));
    each(out, "rooms_taken", "Rooms on trunks that are counted as taken.", |shard| u64::from(shard.rooms_taken));
    each(out, "rooms_held", "Rooms on trunks that calls hold: in sum the rooms taken.", |shard| {
        u64::from(shard.rooms_held)
    });
    each(out, "media_ports_used", "Media ports in use.", |shard| u64::from(shard.ports_used));
    each(out, "media_ports_max", "Media ports of the shard.", |shard| u64::from(shard.ports_max));
}

fn standings(out: &mut String, heard: &Heard) {
    let name = "egress_trunks";
    header(out, name, "Egress trunks with floors or a throttle, by what they may do.", "gauge");
    for state in ["open", "throttled", "resting", "testing"] {
        let all = heard.figures.shards.iter().flat_map(|shard| &shard.standings);
        let count = all.filter(|standing| standing.state == state).count();
        line(out, name, &format!("{{state=\"{state}\"}}"), count as u64);
    }
}

fn media_sockets(out: &mut String, heard: &Heard) {
    let sockets = &heard.figures.media_sockets;
    gauge(out, "media_sockets_shared", "All media ports of a shard share one socket.", u64::from(sockets.shared));
    gauge(out, "media_calls_max", "Calls with media that ports, descriptors and memory allow.", sockets.calls_max);
    gauge(out, "media_used_percent", "How much of that is in use, in per cent.", heard.figures.media_percent());
}

fn fast_path(out: &mut String, heard: &Heard) {
    let path = &heard.figures.fast_path;
    let name = "fastpath_interface";
    header(out, name, "Interfaces where the kernel relays established media, and how it meets packets there.", "gauge");
    for (interface, tier) in path.interfaces.iter().filter_map(|place| place.rsplit_once(' ')) {
        line(out, name, &format!("{{interface=\"{interface}\",tier=\"{tier}\"}}"), 1);
    }
    gauge(out, "fastpath_up", "The kernel relays established media.", u64::from(!path.interfaces.is_empty()));
    gauge(out, "fastpath_ways", "Ways to peers that flows in the kernel use.", u64::from(path.ways));
    gauge(out, "fastpath_ways_known", "Those of them that lead somewhere.", u64::from(path.ways_known));
    let name = "fastpath_packets_total";
    header(out, name, "Packets to media ports that the kernel relayed, or why they went to the sockets.", "counter");
    let rows = [
        ("relayed", path.relayed),
        ("not_joined", path.not_joined),
        ("stranger", path.strangers),
        ("not_rtp", path.not_rtp),
        ("no_way", path.no_way),
        ("behind", path.behind),
    ];
    for (what, value) in rows {
        line(out, name, &format!("{{what=\"{what}\"}}"), value);
    }
}

fn counters(out: &mut String, heard: &Heard) {
    for (name, value) in &heard.figures.counters {
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            continue;
        }
        let meaning = heard.figures.meaning(name).replace(['\\', '\n'], " ");
        let name = format!("{name}_total");
        header(out, &name, if meaning.is_empty() { "A counter of the data plane." } else { &meaning }, "counter");
        line(out, &name, "", *value);
    }
}

fn stages(out: &mut String, heard: &Heard) {
    let name = "stage_seconds";
    header(out, name, "Time that calls and packets spend in each stage.", "histogram");
    for (stage, buckets) in &heard.figures.stages {
        let total: u64 = buckets.iter().map(|(_, count)| count).sum();
        for (bound, label) in BOUNDS {
            let below: u64 = buckets.iter().filter(|(upper, _)| *upper <= bound).map(|(_, count)| count).sum();
            line(out, "stage_seconds_bucket", &format!("{{stage=\"{stage}\",le=\"{label}\"}}"), below);
        }
        line(out, "stage_seconds_bucket", &format!("{{stage=\"{stage}\",le=\"+Inf\"}}"), total);
        line(out, "stage_seconds_count", &format!("{{stage=\"{stage}\"}}"), total);
        let nanos: f64 = buckets.iter().map(|(upper, count)| *upper as f64 * *count as f64).sum();
        let _ = writeln!(out, "tandem_stage_seconds_sum{{stage=\"{stage}\"}} {}", nanos / 1e9);
    }
}

fn gauge(out: &mut String, name: &str, help: &str, value: u64) {
    header(out, name, help, "gauge");
    line(out, name, "", value);
}

fn counter(out: &mut String, name: &str, help: &str, value: u64) {
    header(out, name, help, "counter");
    line(out, name, "", value);
}

fn header(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a string cannot fail.
    let _ = write!(out, "# HELP tandem_{name} {help}\n# TYPE tandem_{name} {kind}\n");
}

fn line(out: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(out, "tandem_{name}{labels} {value}");
}
