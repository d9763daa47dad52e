//! What counters count, for whoever reads them: shards' say it where they are declared, those around the shards here.

/// Counters of sockets, names and the tape.
const AROUND: &[(&str, &str)] = &[
    ("capture_files", "Captures that are whole."),
    ("capture_packets", "Packets written to captures."),
    ("capture_packets_lost", "Packets of captures that the disk refused, or that lie beyond a call's bytes."),
    ("collector_lost", "Messages and reports that could not be sent to the collector at once."),
    ("collector_sent", "Messages and reports that the collector was sent."),
    ("dns_failures", "Lookups of trunks' names that nobody answered."),
    ("dns_lookups", "Lookups of trunks' names."),
    ("dns_stale", "Names that are served from an older answer, or not at all."),
    ("recording_files", "Recordings that are whole."),
    ("recording_packets", "Packets whose voice was written to recordings."),
    ("recording_packets_lost", "Packets of recordings that the disk refused, or that lie beyond a call's bytes."),
    ("socket_accepted", "Connections accepted."),
    ("socket_broken", "Connections that the network ended, and those that could not be made."),
    ("socket_connected", "Connections that we made."),
    ("socket_received", "Datagrams received, media among them."),
    ("socket_send_failed", "Sends that the kernel refused, and sends for which no slot was free."),
    ("socket_sent", "Sends that the kernel took."),
    ("socket_starved", "Times that all receive buffers were in use, and nothing was heard for a moment."),
    ("socket_truncated", "Datagrams longer than their buffer, dropped."),
    ("socket_unaccepted", "Connections that came and could not be taken: no place or no descriptor left."),
    ("tape_lost", "Messages and packets of captures and recordings that came faster than their thread took them."),
];

/// Each counter's name with what it counts.
pub fn all() -> Vec<(String, String)> {
    let told = |(name, meaning): &(&str, &str)| ((*name).to_owned(), meaning.trim().to_owned());
    shard::COUNTERS.iter().chain(AROUND).map(told).collect()
}
