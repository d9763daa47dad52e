//! What nodes claim of limits, in etcd: `/tandem/limit/NODE` is a node's word, which ends with its lease; `/tandem/limit/turn` is written by
//! whoever raises a claim, so that two cannot do so from the same words.
//!
//! A thread goes round: it renews the lease, reads all words, has the shards told what they may use of that, hears what calls use, and
//! says what follows. While etcd is away the shards go on with what they were told for as long as the lease surely lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use live::{Compare, Entry, Etcd, Lease, LiveError, Page, Write};
use serde::{Deserialize, Serialize};
use shard::book::Holder;
use shard::parts::{CLAIM_S, Key, Kind, Part, Parts, Sharing, Told, Used, Word, sure_until};
use tokio::sync::mpsc;
use units::{Instant, NodeId};

use super::Heard;
use crate::{clocks, disk};

/// Below it stand the words, and the turn.
const LIMITS: &str = "/tandem/limit/";
/// Written by whoever raises a claim.
const TURN: &str = "/tandem/limit/turn";
/// How long nothing may change before the shards are asked again what calls use.
const ROUND: Duration = Duration::from_millis(500);
/// Pause before etcd is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Pause after somebody else was faster.
const TURN_PAUSE: Duration = Duration::from_millis(20);
/// How long shards may take to say what calls use.
const SHARDS_PATIENCE: Duration = Duration::from_secs(2);
/// The lease is renewed this long after it was the last time, in milliseconds.
const RENEW_MS: u64 = 2_000;

/// What the control thread notes for the thread of limits.
#[derive(Debug)]
pub enum Note {
    /// The limits of the snapshot in force.
    Limits(BTreeMap<Key, u32>),
    /// The node takes no new calls, or takes them again.
    Leaving(bool),
    /// What calls use, counted when every shard had its parts of this round.
    Used(u64, Vec<Used>),
}

/// What the shards may use from here on.
#[derive(Clone, Debug)]
pub struct Dealt {
    /// The round that waits for what calls use.
    pub round: u64,
    /// The parts.
    pub parts: Parts,
    /// What all nodes claim.
    pub words: Arc<BTreeMap<NodeId, Word>>,
}

/// The thread of limits.
pub struct Dealer {
    pub etcd: Arc<Etcd>,
    pub node: NodeId,
    /// A node that is cut off goes on with an even part of each limit; otherwise with nothing.
    pub goes_on: bool,
    /// Where the number of nodes outlives this process.
    pub memory: PathBuf,
    pub notes: Receiver<Note>,
    pub heard: mpsc::Sender<Heard>,
}

/// What a node knew of the others when it was stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    nodes: u32,
    rank: u32,
}

impl Memory {
    /// As it was left; nobody else if it was not.
    pub fn read(path: &Path) -> Memory {
        std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    /// What shards may use before anything was heard.
    pub fn parts(self, goes_on: bool) -> Parts {
        Parts { until: Instant::default(), nodes: self.nodes, rank: self.rank, goes_on, of: Arc::default() }
    }
}

/// The state of the rounds.
struct Rounds {
    dealer: Dealer,
    sharing: Sharing,
    lease: Option<Lease>,
    renewed: Instant,
    round: u64,
    memory: Memory,
}

/// How a round ended.
enum End {
    /// Nothing to say: so it was up to this revision of the store.
    Quiet(i64),
    /// Something was said.
    Said,
    /// Somebody else was faster, or the shards are busy.
    Again,
}

/// The control thread has gone.
struct Gone;

impl Dealer {
    /// Goes round until nobody listens any more.
    pub fn run(self) {
        let (sharing, memory) = (Sharing::new(self.node), Memory::read(&self.memory));
        let mut rounds = Rounds { sharing, memory, lease: None, renewed: Instant::default(), round: 0, dealer: self };
        let mut reached = true;
        loop {
            let outcome = match rounds.go() {
                Err(Gone) => break,
                Ok(outcome) => outcome,
            };
            if reached != outcome.is_ok() {
                reached = outcome.is_ok();
                match &outcome {
                    Ok(_) => tracing::info!("limits are shared with the other nodes again"),
                    Err(error) => {
                        tracing::warn!(error = error.to_string(), "limits are not shared with the other nodes")
                    }
                }
            }
            match outcome {
                Ok(End::Said) => {}
                Ok(End::Again) => std::thread::sleep(TURN_PAUSE),
                Ok(End::Quiet(revision)) if rounds.dealer.etcd.wait(LIMITS, revision + 1, ROUND).is_ok() => {}
                Ok(End::Quiet(_)) | Err(_) => std::thread::sleep(PAUSE),
            }
        }
        if let Some(lease) = rounds.lease {
            // Who cannot say goodbye is missed when the lease ends.
            let _ = rounds.dealer.etcd.revoke(lease);
        }
    }
}

impl Rounds {
    fn go(&mut self) -> Result<Result<End, LiveError>, Gone> {
        loop {
            match self.dealer.notes.try_recv() {
                // What calls used in a round that was given up.
                Ok(note) => drop(self.note(note)),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return Err(Gone),
            }
        }
        let (lease, page) = match self.read() {
            Ok(read) => read,
            Err(error) => return Ok(Err(error)),
        };
        let own = page.entries.iter().find(|entry| entry.key == key_of(self.dealer.node));
        self.remember();
        let Some(used) = self.deal()? else { return Ok(Ok(End::Again)) };
        self.sharing.on_used(clocks::read().now, &used);
        let tell = self.sharing.tell();
        let text = text_of(&tell.word);
        if own.is_some_and(|own| own.value == text) && !self.sharing.is_in_doubt() {
            return Ok(Ok(End::Quiet(page.revision)));
        }
        Ok(self.say(&page, lease, &text, tell.in_turn))
    }

    fn note(&mut self, note: Note) -> Option<(u64, Vec<Used>)> {
        match note {
            Note::Limits(limits) => self.sharing.on_limits(limits),
            Note::Leaving(leaving) => self.sharing.on_leaving(leaving),
            Note::Used(round, used) => return Some((round, used)),
        }
        None
    }

    /// Renews the lease and reads what all nodes say.
    fn read(&mut self) -> Result<(Lease, Page), LiveError> {
        let (etcd, asked) = (&self.dealer.etcd, clocks::read().now);
        let lease = match self.lease {
            Some(lease) if asked.millis_since(self.renewed) < RENEW_MS => lease,
            Some(lease) if etcd.keep(lease)? => {
                self.renewed = asked;
                lease
            }
            Some(_) | None => {
                self.sharing.on_lost();
                self.lease = None;
                let lease = etcd.grant(CLAIM_S)?;
                (self.lease, self.renewed) = (Some(lease), asked);
                lease
            }
        };
        let page = self.dealer.etcd.list(LIMITS)?;
        self.sharing.on_words(words_of(&page.entries)?);
        Ok((lease, page))
    }

    /// Has the shards told what they may use, and hears what calls use then. `None`: they do not say.
    fn deal(&mut self) -> Result<Option<Vec<Used>>, Gone> {
        self.round += 1;
        let of = Arc::new(self.sharing.order().into_iter().collect());
        let Memory { nodes, rank } = self.memory;
        let parts = Parts { until: sure_until(self.renewed), nodes, rank, goes_on: self.dealer.goes_on, of };
        let dealt = Dealt { round: self.round, parts, words: Arc::new(self.sharing.words().clone()) };
        self.dealer.heard.blocking_send(Heard::Parts(dealt)).map_err(|_| Gone)?;
        loop {
            match self.dealer.notes.recv_timeout(SHARDS_PATIENCE) {
                Ok(note) => match self.note(note) {
                    Some((round, used)) if round == self.round => return Ok(Some(used)),
                    Some(_) | None => {}
                },
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                Err(RecvTimeoutError::Disconnected) => return Err(Gone),
            }
        }
    }

    fn say(&mut self, page: &Page, lease: Lease, text: &[u8], in_turn: bool) -> Result<End, LiveError> {
        let own = key_of(self.dealer.node);
        let revision = |key: &str| page.entries.iter().find(|entry| entry.key == key).map_or(0, |entry| entry.revision);
        let mut compare = vec![Compare::WrittenBy(&own, revision(&own))];
        let mut write = vec![Write::Put(&own, text, Some(lease))];
        if in_turn {
            compare.push(Compare::WrittenBy(TURN, revision(TURN)));
            write.push(Write::Put(TURN, own.as_bytes(), None));
        }
        let outcome = self.dealer.etcd.change(&compare, &write);
        self.sharing.on_told(match &outcome {
            Ok(Some(_)) => Told::Written,
            Ok(None) | Err(LiveError::Away(_) | LiveError::Refused(_) | LiveError::Settings(_)) => Told::NotWritten,
            Err(LiveError::Unknown(_)) => Told::Unknown,
        });
        Ok(if outcome?.is_some() { End::Said } else { End::Again })
    }

    /// Keeps how many nodes there are: a later life may begin while etcd is away.
    fn remember(&mut self) {
        let (nodes, rank) = self.sharing.rank();
        let memory = Memory { nodes, rank };
        if memory != self.memory {
            self.memory = memory;
            let text = serde_json::to_vec(&memory).expect("numbers are plain data");
            if let Err(error) = keep(&self.dealer.memory, &text) {
                tracing::warn!(%error, path = %self.dealer.memory.display(), "the number of nodes is not kept");
            }
        }
    }
}

/// Puts a file in place as a whole: half of one would say that there are no other nodes, and all of each limit would be ours.
fn keep(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let file = disk::create(&new)?;
    disk::write_at(&file, text, 0)?;
    disk::sync(&file)?;
    disk::rename(&new, path)
}

fn key_of(node: NodeId) -> String {
    format!("{LIMITS}{}", node.0)
}

/// A word as it stands in etcd.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Text {
    #[serde(default)]
    leaving: bool,
    parts: Vec<Row>,
}

/// Whose limit it is as rooms are told, new calls instead of concurrent ones, claim, want.
type Row = (String, u32, u32, bool, u32, u32);

fn text_of(word: &Word) -> Vec<u8> {
    let said = word.parts.iter().filter(|(_, part)| **part != Part::default());
    let row = |(key, part): (&Key, &Part)| {
        let (of, id, originator) = key.of.told();
        (of.to_owned(), id, originator, key.kind == Kind::Recent, part.claim, part.want)
    };
    let text = Text { leaving: word.leaving, parts: said.map(row).collect() };
    serde_json::to_vec(&text).expect("a word is plain data")
}

/// All words; a node whose word cannot be read may claim anything, so nobody shares with it.
fn words_of(entries: &[Entry]) -> Result<BTreeMap<NodeId, Word>, LiveError> {
    let mut words = BTreeMap::new();
    for entry in entries {
        let Some(node) = entry.key.strip_prefix(LIMITS).and_then(|node| node.parse().ok()) else { continue };
        let text: Text = serde_json::from_slice(&entry.value)
            .map_err(|error| LiveError::Refused(format!("what node {node} says of limits: {error}")))?;
        let part = |(of, id, originator, recent, claim, want): Row| {
            let kind = if recent { Kind::Recent } else { Kind::Calls };
            Some((Key { of: Holder::of(&of, id, originator)?, kind }, Part { claim, want }))
        };
        let parts = text.parts.into_iter().filter_map(part).collect();
        words.insert(NodeId(node), Word { leaving: text.leaving, parts });
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use units::CarrierId;

    use super::*;

    #[test]
    fn the_number_of_nodes_is_kept_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes");
        let [two, three] = [2, 3].map(|nodes| Memory { nodes, rank: 1 });
        let text = |memory: Memory| serde_json::to_vec(&memory).unwrap();
        assert_eq!(Memory::read(&path), Memory::default());
        keep(&path, &text(two)).unwrap();
        // Opening, writing, syncing, renaming: each fails once.
        for touch in 0..4 {
            disk::faults::Faults::from(touch, 1).arm();
            assert!(keep(&path, &text(three)).is_err(), "touch {touch}");
            disk::faults::disarm();
            assert_eq!(Memory::read(&path), two, "touch {touch}");
        }
        keep(&path, &text(three)).unwrap();
        assert_eq!(Memory::read(&path), three);
    }

    #[test]
    fn a_word_is_read_as_it_was_said() {
        let share = Holder::Share { terminator: CarrierId(2), originator: CarrierId(7) };
        let key = |of, kind| Key { of, kind };
        let part = |claim, want| Part { claim, want };
        let parts =
            BTreeMap::from([(key(Holder::Switch, Kind::Recent), part(100, 0)), (key(share, Kind::Calls), part(0, 3))]);
        let word = Word { leaving: true, parts };
        let entry = |key: &str, value: Vec<u8>| Entry { key: key.to_owned(), value, revision: 1, lease: None };
        let page = [entry("/tandem/limit/12", text_of(&word)), entry(TURN, b"/tandem/limit/12".to_vec())];
        assert_eq!(words_of(&page).unwrap(), BTreeMap::from([(NodeId(12), word)]));
        assert!(words_of(&[entry("/tandem/limit/3", b"{}".to_vec())]).is_err(), "it may claim anything");
    }
}
