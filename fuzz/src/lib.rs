//! What must hold for any bytes: targets for a bounded run in tests and for long runs with libFuzzer.

mod bodies;
#[cfg(feature = "decks")]
mod decks;
mod identities;
mod journal;
mod media;
pub mod mutate;
mod peers;
mod script;
mod sip_text;
mod snapshots;

/// One promise about bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Panics when the promise is broken.
    pub run: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Inputs of the bounded run.
    pub bounded: u32,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target { name: "message", run: sip_text::message, seeds: sip_text::messages, bounded: 20_000 },
    Target { name: "stream", run: sip_text::stream, seeds: sip_text::streams, bounded: 10_000 },
    Target { name: "address", run: sip_text::address, seeds: sip_text::addresses, bounded: 60_000 },
    Target { name: "description", run: bodies::description, seeds: bodies::descriptions, bounded: 20_000 },
    Target { name: "digest", run: bodies::digest, seeds: bodies::digests, bounded: 20_000 },
    Target { name: "identity", run: identities::identity, seeds: identities::seeds, bounded: 20_000 },
    Target { name: "media", run: media::relay, seeds: media::seeds, bounded: 10_000 },
    Target { name: "journal", run: journal::journal, seeds: journal::seeds, bounded: 10_000 },
    Target { name: "snapshot", run: snapshots::snapshot, seeds: snapshots::seeds, bounded: 2_000 },
    Target { name: "deck", run: snapshots::deck, seeds: snapshots::decks, bounded: 2_000 },
    Target { name: "shard", run: peers::shard, seeds: peers::seeds, bounded: 1_500 },
    #[cfg(feature = "decks")]
    Target { name: "decks", run: decks::decks, seeds: decks::seeds, bounded: 2_000 },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
