//! What this node and the others tell each other by etcd. Nothing waits for it: while etcd is away each works on with what it knew.

mod bindings;
mod drains;
mod limits;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use live::{Behind, EtcdArguments, Node, Presence};
use panel::wire::{PartRow, RoomRow, SharingFigures};
use shard::book::Holder;
use shard::parts::{Kind, Parts, Used, Word};
use shard::registrar::Change;
use shard::{Loaded, Transport};
use tokio::sync::mpsc;
use units::NodeId;

use crate::listen::Listen;
use bindings::Outbox;
pub use limits::Dealt;
use limits::{Dealer, Memory, Note};

/// How long a question to one member may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Seconds after which a node that tells nothing is gone.
const LIVES_S: u64 = 5;
/// What was heard and waits for the control thread.
const HEARD_MAX: usize = 64;

/// This node, before any call runs on it.
pub fn node(number: u16, listens: &[Listen], calls_max: u64) -> Node {
    let heard = || listens.iter().filter(|listen| listen.transport == Transport::Udp);
    let behind = heard().filter_map(|listen| {
        let front = listen.front.as_ref()?;
        Some(Behind { at: listen.bind, balancers: front.balancers.clone() })
    });
    Node {
        number,
        roles: vec!["core".to_owned()],
        sip: heard().filter(|listen| listen.front.is_none()).map(Listen::advertised).collect(),
        behind: behind.collect(),
        calls_max: u32::try_from(calls_max).unwrap_or(u32::MAX),
        version: live::version().to_owned(),
        ..Node::default()
    }
}

/// What the other nodes said.
#[derive(Debug)]
pub enum Heard {
    /// Subscribers registered with them.
    Bindings(Arc<[Change]>),
    /// What of limits this node may use from here on.
    Parts(Dealt),
    /// This node was drained before it started, or is no more.
    Drained(bool),
}

/// The ways to the other nodes and back.
#[derive(Debug)]
pub struct Together {
    outbox: Option<std::sync::mpsc::Sender<bindings::Told>>,
    /// Where this node takes what another one hands it.
    across: Option<SocketAddr>,
    heard: mpsc::Receiver<Heard>,
    /// What the others know of this node.
    presence: Option<Presence>,
    limits: Option<Limits>,
    /// This node was drained before it started.
    pub drained: bool,
    /// Keeps the way back open for a node that is alone.
    _own: Option<mpsc::Sender<Heard>>,
}

impl Together {
    /// A node that knows of no other.
    pub fn alone() -> Together {
        let (own, heard) = mpsc::channel(1);
        Together { outbox: None, across: None, heard, presence: None, limits: None, drained: false, _own: Some(own) }
    }

    /// Begins to tell and to listen, by threads that end with the process. `across` is where this node takes what another one hands it.
    pub fn start(
        settings: &EtcdArguments,
        node: Node,
        data: &Path,
        goes_on: bool,
        across: Option<SocketAddr>,
    ) -> anyhow::Result<Together> {
        let Some(etcd) = settings.open(PATIENCE)? else { return Ok(Together::alone()) };
        let (heard_in, heard) = mpsc::channel(HEARD_MAX);
        let drained = drains::watch(etcd.clone(), node.number, heard_in.clone())?;
        let node = Node { leaving: drained, ..node };
        bindings::listen(etcd.clone(), heard_in.clone(), across.map(|_| NodeId(node.number)));
        let (notes, notes_out) = std::sync::mpsc::channel();
        let (number, memory) = (NodeId(node.number), data.join("run/nodes"));
        let nothing = Memory::read(&memory).parts(goes_on);
        let dealer = Dealer { etcd: etcd.clone(), node: number, goes_on, memory, notes: notes_out, heard: heard_in };
        let thread = std::thread::Builder::new().name("limits".to_owned());
        let thread = thread.spawn(move || dealer.run()).context("cannot start the thread of limits")?;
        let limits =
            Limits { notes: Some(notes), thread: Some(thread), parts: nothing, words: Arc::default(), leaving: false };
        Ok(Together {
            outbox: Some(Outbox::start(etcd.clone())?),
            across,
            heard,
            presence: Some(Presence::start(etcd, node, LIVES_S)),
            limits: Some(limits),
            drained,
            _own: None,
        })
    }

    /// Is there anybody to tell?
    pub fn has_others(&self) -> bool {
        self.presence.is_some()
    }

    /// Tells the others how many calls run here, and whether new ones are taken.
    pub fn stand(&mut self, calls: u32, leaving: bool) {
        if let Some(limits) = self.limits.as_mut().filter(|limits| limits.leaving != leaving) {
            limits.leaving = leaving;
            limits.note(Note::Leaving(leaving));
        }
        if let Some(presence) = &self.presence {
            presence.update(|node| (node.calls, node.leaving) = (calls, leaving));
        }
    }

    /// Tells the others of a binding that changed here.
    pub fn tell(&self, change: &Change) {
        if let (Some(outbox), Some(told)) =
            (&self.outbox, bindings::Told::of(crate::clocks::read(), change, self.across))
        {
            // Its thread lives as long as this sender.
            let _ = outbox.send(told);
        }
    }

    /// A snapshot comes into force: its limits are shared with the other nodes. What may be used of them by now; `None`: all.
    pub fn on_snapshot(&self, loaded: &Loaded) -> Option<Parts> {
        let limits = self.limits.as_ref()?;
        limits.note(Note::Limits(shard::parts::limits(loaded)));
        Some(limits.parts.clone())
    }

    /// What calls use of limits, counted when every shard had its parts of this round.
    pub fn on_used(&self, round: u64, used: Vec<Used>) {
        if let Some(limits) = &self.limits {
            limits.note(Note::Used(round, used));
        }
    }

    /// Takes note of what is told to the shards.
    pub fn on_dealt(&mut self, dealt: &Dealt) {
        if let Some(limits) = &mut self.limits {
            (limits.parts, limits.words) = (dealt.parts.clone(), dealt.words.clone());
        }
    }

    /// Adds what each node claims of limits to what calls hold here.
    pub fn add_parts(&self, rows: &mut Vec<RoomRow>) {
        let Some(limits) = &self.limits else { return };
        for (node, word) in limits.words.iter() {
            for (key, part) in word.parts.iter().filter(|(_, part)| part.claim > 0) {
                let (of, id, originator) = key.of.told();
                let is_row = |row: &RoomRow| (row.of.as_str(), row.id, row.originator) == (of, id, originator);
                let found = rows.iter().position(is_row);
                // Pairs of carriers are many: those without a call are not shown.
                if found.is_none() && matches!(key.of, Holder::Share { .. }) {
                    continue;
                }
                let at = found.unwrap_or(rows.len());
                if found.is_none() {
                    rows.push(RoomRow { of: of.to_owned(), id, originator, ..RoomRow::default() });
                }
                let parts = &mut rows[at].parts;
                let place = parts.iter().position(|row| row.node == node.0).unwrap_or(parts.len());
                if place == parts.len() {
                    parts.push(PartRow { node: node.0, ..PartRow::default() });
                }
                match key.kind {
                    Kind::Calls => parts[place].calls = part.claim,
                    Kind::Recent => parts[place].recent = part.claim,
                }
            }
        }
    }

    /// How limits are shared.
    pub fn sharing(&self) -> SharingFigures {
        let figures = |limits: &Limits| SharingFigures {
            nodes: limits.parts.nodes,
            sure: limits.parts.is_sure(crate::clocks::read().now),
        };
        self.limits.as_ref().map(figures).unwrap_or_default()
    }

    /// What comes next.
    pub async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => std::future::pending().await,
        }
    }
}

/// The way to the thread of limits, and what it last said.
#[derive(Debug)]
struct Limits {
    notes: Option<std::sync::mpsc::Sender<Note>>,
    thread: Option<JoinHandle<()>>,
    parts: Parts,
    words: Arc<std::collections::BTreeMap<NodeId, Word>>,
    leaving: bool,
}

impl Limits {
    fn note(&self, note: Note) {
        if let Some(notes) = &self.notes {
            // The thread lives as long as this sender.
            let _ = notes.send(note);
        }
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        self.heard.close();
        if let Some(limits) = &mut self.limits {
            drop(limits.notes.take());
            if let Some(thread) = limits.thread.take() {
                // After a panic the claims end by themselves.
                let _ = thread.join();
            }
        }
    }
}
