//! Connections of SIP over TCP and TLS: whose they are, what of a message has come, what waits for one to stand, and how long each
//! may stay.
//!
//! ```text
//!   accepted ──────────────▶ Open ──idle, partial for too long, flaw, refused stranger──▶ gone
//!   wanted ──▶ Connecting ──▲ └──────────────── the network ended it ───────────────────▶ gone
//!                   └── 4 s, or refused: what waited is unsent ─────────────────────────▶ gone
//! ```
//! A connection belongs to the shard whose socket heard or made it; the others send over it by parcel.

mod turn;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;
use sip::stream::Framer;
use sip::{Flow, Hop, Transport};
use units::Instant;

/// Connections of one shard at most.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Of these, connections of addresses that are nobody's at most.
pub const STRANGERS_MAX: u32 = 1_024;
/// Connections from one known address to one shard at most.
pub const PER_ADDRESS_MAX: u32 = 64;
/// Connections from one stranger's address to one shard at most.
pub const PER_STRANGER_MAX: u32 = 8;
/// Bytes of an unfinished message of a stranger at most; a known peer may send the longest message that is read at all.
pub const STRANGER_BYTES_MAX: usize = 16 << 10;
/// How long a connection may take to stand, its TLS handshake included, in milliseconds.
pub const CONNECT_TIMEOUT_MS: u64 = 4_000;
/// How long a message may take from its first byte to its last, in milliseconds.
pub const PARTIAL_TIMEOUT_MS: u64 = 32_000;
/// How long a stranger's connection may say nothing, in milliseconds.
pub const STRANGER_IDLE_MS: u64 = 60_000;
/// Bytes that wait for a connection to stand at most.
pub const WAITING_BYTES_MAX: usize = 256 << 10;

/// What operators may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a known peer's connection may say nothing, in seconds.
    pub idle_s: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { idle_s: 600 }
    }
}

#[derive(Debug)]
enum State {
    /// We ordered it; these messages wait.
    Connecting {
        give_up_at: Instant,
        waiting: Vec<Vec<u8>>,
    },
    Open,
}

/// What of a connection's bytes was not yet taken.
#[derive(Debug, Default)]
struct Input {
    framer: Framer,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    /// The way over it; its flow is the connection itself.
    hop: Hop,
    known: bool,
    /// The peer made it.
    accepted: bool,
    state: State,
    input: Input,
    /// When the unfinished message began.
    partial_since: Option<Instant>,
    heard_at: Instant,
    /// The deadline on file.
    filed: Instant,
}

/// What became of bytes that were to be sent.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    /// They go out over this connection.
    Now(Flow),
    /// They wait for one to stand.
    Waits,
    /// They wait for one that must be ordered.
    Connects(Flow),
    /// There is no room for another connection, or too much waits for this one.
    Refused,
}

/// All connections of a shard.
#[derive(Debug)]
pub struct Streams {
    shard: u16,
    idle_ms: u64,
    next: u64,
    /// The turn's clock.
    now: Instant,
    connections: HashMap<Flow, Connection>,
    by_peer: HashMap<(Transport, u8, SocketAddr), Flow>,
    by_address: HashMap<IpAddr, u32>,
    strangers: u32,
    deadlines: BTreeSet<(Instant, Flow)>,
}

impl Streams {
    /// No connections.
    pub fn new(shard: u16, settings: Settings) -> Streams {
        Streams {
            shard,
            idle_ms: u64::from(settings.idle_s) * 1_000,
            next: 1,
            now: Instant::default(),
            connections: HashMap::new(),
            by_peer: HashMap::new(),
            by_address: HashMap::new(),
            strangers: 0,
            deadlines: BTreeSet::new(),
        }
    }

    /// Open connections, and those that are being made.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// True without connections.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// True if the connection is there.
    fn has(&self, flow: Flow) -> bool {
        self.connections.contains_key(&flow)
    }

    /// The connection that a peer made by one of the first so many listeners, and that stands.
    pub(crate) fn made_by(&self, transport: Transport, listeners: usize, remote: SocketAddr) -> Option<Flow> {
        let mut by_listener =
            (0..=u8::MAX).take(listeners).filter_map(|listener| self.by_peer.get(&(transport, listener, remote)));
        by_listener.find(|flow| self.connections.get(*flow).is_some_and(|one| one.accepted)).copied()
    }

    /// When a connection must be looked at.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Every turn tells the time first.
    pub(crate) fn see(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Somebody connected; `None` if that is one too many.
    fn accept(&mut self, transport: Transport, listener: u8, remote: SocketAddr, known: bool) -> Option<Flow> {
        let address = remote.ip().to_canonical();
        let limit = if known { PER_ADDRESS_MAX } else { PER_STRANGER_MAX };
        let full = self.len() >= CONNECTIONS_MAX || (!known && self.strangers >= STRANGERS_MAX);
        if full || self.by_address.get(&address).is_some_and(|count| *count >= limit) {
            return None;
        }
        *self.by_address.entry(address).or_default() += 1;
        self.strangers += u32::from(!known);
        let hop = Hop { transport, listener, remote, flow: None };
        Some(self.insert(hop, known, true, State::Open))
    }

    fn insert(&mut self, hop: Hop, known: bool, accepted: bool, state: State) -> Flow {
        let flow = Flow::new(self.shard, self.next);
        self.next += 1;
        let hop = Hop { flow: Some(flow), ..hop };
        self.by_peer.insert((hop.transport, hop.listener, hop.remote), flow);
        let (input, heard_at) = (Input::default(), self.now);
        let connection =
            Connection { hop, known, accepted, state, input, partial_since: None, heard_at, filed: self.now };
        self.connections.insert(flow, connection);
        self.file(flow);
        flow
    }

    /// Finds a connection for bytes to this hop or asks for one; `other` is where to go when the hop's connection is gone.
    fn send(&mut self, to: Hop, bytes: &[u8], other: impl FnOnce() -> SocketAddr) -> Sent {
        let flow = to.flow.filter(|flow| self.connections.contains_key(flow));
        let remote = if flow.is_none() && to.flow.is_some() { other() } else { to.remote };
        let flow = flow.or_else(|| self.by_peer.get(&(to.transport, to.listener, remote)).copied());
        if let Some(connection) = flow.and_then(|flow| self.connections.get_mut(&flow)) {
            let State::Connecting { waiting, .. } = &mut connection.state else {
                return flow.map_or(Sent::Refused, Sent::Now);
            };
            if waiting.iter().map(Vec::len).sum::<usize>() + bytes.len() > WAITING_BYTES_MAX {
                return Sent::Refused;
            }
            waiting.push(bytes.to_vec());
            return Sent::Waits;
        }
        if self.len() >= CONNECTIONS_MAX {
            return Sent::Refused;
        }
        let give_up_at = self.now.plus_millis(CONNECT_TIMEOUT_MS);
        let state = State::Connecting { give_up_at, waiting: alloc::vec![bytes.to_vec()] };
        // Whom we call is no stranger.
        Sent::Connects(self.insert(Hop { remote, flow: None, ..to }, true, false, state))
    }

    /// A connection that we ordered stands; what waited for it.
    fn connected(&mut self, flow: Flow) -> Vec<Vec<u8>> {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&flow) else { return Vec::new() };
        connection.heard_at = now;
        let waited = match core::mem::replace(&mut connection.state, State::Open) {
            State::Connecting { waiting, .. } => waiting,
            State::Open => Vec::new(),
        };
        self.file(flow);
        waited
    }

    /// A connection is gone; what waited for it.
    fn remove(&mut self, flow: Flow) -> Option<Vec<Vec<u8>>> {
        let connection = self.connections.remove(&flow)?;
        self.deadlines.remove(&(connection.filed, flow));
        let (hop, address) = (connection.hop, connection.hop.remote.ip().to_canonical());
        let key = (hop.transport, hop.listener, hop.remote);
        if self.by_peer.get(&key) == Some(&flow) {
            self.by_peer.remove(&key);
        }
        if connection.accepted {
            self.strangers -= u32::from(!connection.known);
            let count = self.by_address.get_mut(&address).expect("an accepted connection was counted");
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(match connection.state {
            State::Connecting { waiting, .. } => waiting,
            State::Open => Vec::new(),
        })
    }

    /// The peer is one of ours after all.
    fn trust(&mut self, flow: Flow) {
        if let Some(connection) = self.connections.get_mut(&flow).filter(|connection| !connection.known) {
            connection.known = true;
            self.strangers -= u32::from(connection.accepted);
        }
    }

    fn is_known(&self, flow: Flow) -> bool {
        self.connections.get(&flow).is_some_and(|connection| connection.known)
    }

    /// Bytes came: hands out all that was not yet taken, until [`Streams::give_back`].
    fn take(&mut self, flow: Flow, bytes: &[u8]) -> Option<(Hop, Input)> {
        let connection = self.connections.get_mut(&flow)?;
        connection.heard_at = self.now;
        let mut input = core::mem::take(&mut connection.input);
        input.bytes.extend_from_slice(bytes);
        Some((connection.hop, input))
    }

    /// What is left after as many bytes as were `taken`. False if a stranger's message grows too long.
    fn give_back(&mut self, flow: Flow, mut input: Input, taken: usize) -> bool {
        let now = self.now;
        let Some(connection) = self.connections.get_mut(&flow) else { return true };
        input.bytes.drain(..taken);
        let fits = connection.known || input.bytes.len() <= STRANGER_BYTES_MAX;
        if input.bytes.is_empty() {
            connection.partial_since = None;
            if input.bytes.capacity() > STRANGER_BYTES_MAX {
                input.bytes = Vec::new();
            }
        } else if taken > 0 || connection.partial_since.is_none() {
            connection.partial_since = Some(now);
        }
        connection.input = input;
        if connection.partial_since == Some(now) {
            self.file(flow);
        }
        fits
    }

    fn due(&self, connection: &Connection) -> Instant {
        if let State::Connecting { give_up_at, .. } = connection.state {
            return give_up_at;
        }
        let idle_ms = if connection.known { self.idle_ms } else { STRANGER_IDLE_MS };
        let idle = connection.heard_at.plus_millis(idle_ms);
        connection.partial_since.map_or(idle, |since| since.plus_millis(PARTIAL_TIMEOUT_MS).min(idle))
    }

    /// Files the deadline of a connection anew.
    fn file(&mut self, flow: Flow) {
        let Some(due) = self.connections.get(&flow).map(|connection| self.due(connection)) else { return };
        let Some(connection) = self.connections.get_mut(&flow) else { return };
        self.deadlines.remove(&(connection.filed, flow));
        connection.filed = due;
        self.deadlines.insert((due, flow));
    }

    /// The next connection whose time is up. One that was heard since it was filed is filed again.
    fn expired(&mut self) -> Option<Hop> {
        loop {
            let (at, flow) = *self.deadlines.first()?;
            if at > self.now {
                return None;
            }
            let connection = self.connections.get(&flow).expect("a deadline on file is a connection's");
            if self.due(connection) <= self.now {
                return Some(connection.hop);
            }
            self.file(flow);
        }
    }
}
