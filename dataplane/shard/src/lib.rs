//! One core's whole brain: datagrams, parcels and time in; effects out.
//!
//! A shard shares no memory with another. Whatever it must know comes in through the `on_…` methods, one verb each, and
//! whatever must happen goes out through [`Effects`], which the pump carries out in order.
#![no_std]

extern crate alloc;

pub mod across;
pub mod behind;
pub mod book;
mod certificates;
mod counters;
pub mod effect;
pub mod guard;
pub mod health;
mod hear;
mod identity;
mod limits;
mod media_path;
mod orders;
pub mod parcel;
pub mod parts;
mod peers;
pub mod proof;
mod pulse;
pub mod recent;
mod recordings;
pub mod registrar;
pub mod registrations;
pub mod standings;
pub mod steer;
pub mod streams;
pub mod subscribers;
pub mod table;
mod tapes;
mod targets;
mod trace;
pub mod vet;
pub mod wants;
pub mod wheel;

use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use call::{Context, Desk, Random, Switch, Ways};
use hashbrown::HashMap;
use media::{Dropped, Relay, Verdict};
use panel::metrics::Histogram;
use panel::wire::{CallRow, MediaRow, Reply, ShardFigures, Want};
use rating::Policies;
use snapshot::{Bytes, ModelFlaw, Snapshot, View};
use units::{AccountId, CallId, Clock, GrantId, Instant, Money, NodeId, ShardId};

pub use call::stir;
pub use call::{Listener, Target};
pub use counters::COUNTERS;
pub use effect::{Effect, Effects};
pub use media::{Carried, Change};
pub use parcel::Parcel;
pub use sip::{Flow, Hop, Transport};

use book::Book;
use counters::{Counters, Stages};
use guard::{Guard, Refused};
use health::Probe;
use identity::Identity;
use registrar::Registrar;
use registrations::Registrations;
use sip::auth::nonce::Key;
use standings::Standings;
use streams::Streams;
use table::{CallRef, Due, Table};
use wheel::Wheel;

/// Calls in one shard's table at most, those whose transactions run out included.
pub const CALLS_MAX: u32 = 200_000;
/// How long a call that is over waits for last answers, in milliseconds, before its captured messages are handed over without them.
const LADDER_MS: u64 = 1_500;
/// Captured messages are handed over at multiples of this many milliseconds: those of many calls at once, and soon enough that they are
/// copied while a processor still has them at hand.
const LADDER_STEP_MS: u64 = 64;
/// How often a shard with answered calls marks the journal, in milliseconds: what a crash may cost in talk time.
pub const MARK_MS: u64 = 1_000;

/// One snapshot, ready for use.
#[derive(Clone)]
pub struct Loaded {
    /// Its checked bytes.
    pub snapshot: Snapshot,
    /// Its policies, compiled.
    pub policies: Arc<Policies>,
}

impl core::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.snapshot.fmt(f)
    }
}

impl Loaded {
    /// Compiles the policies of bytes in one piece that passed `snapshot::View::check`.
    ///
    /// # Errors
    /// The trunk or plan whose policy cannot be used, and why.
    pub fn new(image: Bytes) -> Result<Loaded, ModelFlaw> {
        Loaded::of(Snapshot::whole(image))
    }

    /// Compiles the policies of a snapshot.
    ///
    /// # Errors
    /// The trunk or plan whose policy cannot be used, and why.
    pub fn of(snapshot: Snapshot) -> Result<Loaded, ModelFlaw> {
        let policies = Policies::compile(&snapshot.view())?;
        Ok(Loaded { snapshot, policies: Arc::new(policies) })
    }

    /// The snapshot.
    pub fn view(&self) -> View<'_> {
        self.snapshot.view()
    }
}

/// Who a shard is and what it may use.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// How often this node's data plane has started.
    pub boot: u32,
    /// This shard.
    pub shard: ShardId,
    /// How many shards the node has.
    pub shards: u16,
    /// The addresses that SIP peers know us by: Via, Contact. At least one.
    pub listeners: Vec<Listener>,
    /// The address in our SDP towards peers of IPv4.
    pub media_v4: Option<Ipv4Addr>,
    /// The address in our SDP towards peers of IPv6.
    pub media_v6: Option<Ipv6Addr>,
    /// First media port of this shard; even.
    pub port_low: u16,
    /// Last media port of this shard, included.
    pub port_high: u16,
    /// Entropy of this start; tags, branches and ports are drawn from it.
    pub seed: [u8; 32],
    /// Entropy of this start that all shards of the node share: each knows the nonces of the others by it.
    pub node_key: [u8; 32],
    /// The balancers before this node.
    pub behind: behind::Behind,
    /// Calls captured for their ladder, per cent.
    pub trace_percent: u8,
    /// Grants that survived a restart: id, account, amount, used.
    pub grants: Vec<(GrantId, AccountId, Money, Money)>,
    /// How much is heard of whom.
    pub guard: guard::Settings,
    /// How long connections may be silent.
    pub streams: streams::Settings,
    /// Reads nanoseconds for stage latencies; decides nothing, so a simulator may return a constant.
    pub ticks: fn() -> u64,
}

/// What a call's media packet needs next: send it from `port` to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The local port to send from.
    pub port: u16,
    /// Where to.
    pub to: SocketAddr,
    /// Its bytes at the beginning of the room that it came in; another number than came if it was encrypted or decrypted there.
    pub length: usize,
    /// Send these bytes instead.
    pub instead: Option<[u8; 16]>,
}

/// What happens when a journal record is durable.
#[derive(Debug)]
enum Waiting {
    Call(CallRef),
    Settle(book::Entry),
    Want(Want),
}

/// One core's brain.
pub struct Shard {
    config: Config,
    switch: Switch,
    ways: Ways,
    certificates: certificates::Certificates,
    probes: Vec<Probe>,
    /// When the next of them is due.
    probes_at: Option<Instant>,
    loaded: Option<Loaded>,
    /// Where egress trunks are, in order.
    egress_addresses: Vec<IpAddr>,
    /// An ingress trunk of the snapshot in force has this address: the last one that was looked for and found.
    came_from: Cell<Option<IpAddr>>,
    guard: Guard,
    /// The message that is being read; empty between two.
    reading: Vec<u8>,
    streams: Streams,
    /// What this one knows of other nodes.
    nodes: across::Nodes,
    /// Requests that could not be sent; their calls are told before the turn ends.
    unsent: VecDeque<Vec<u8>>,
    identity: Identity,
    registrations: Registrations,
    random: Random,
    relay: Relay,
    table: Table,
    wheel: Wheel,
    book: Book,
    standings: Standings,
    work: call::effect::Effects,
    routes: rating::Routes,
    inbox: VecDeque<(ShardId, book::Entry)>,
    book_orders: Vec<book::Order>,
    waiting: VecDeque<(u64, Waiting)>,
    ports: HashMap<u16, CallRef>,
    taped: tapes::Ports,
    /// Somebody collects the messages and reports of all calls.
    collects: bool,
    next_ticket: u64,
    next_sequence: u64,
    calls_up: u32,
    /// Calls that are not over.
    running: u32,
    /// Calls that took a step, whose deadlines are to be filed before the shard is left.
    unfiled: Vec<CallRef>,
    mark_at: Instant,
    draining: bool,
    /// While it drains: calls are refused from here on.
    refuses_from: Instant,
    disk_full: bool,
    /// What comes before it had waited while the whole process stood still.
    fresh_from: Instant,
    counters: Counters,
    stages: Stages,
    due: Vec<CallRef>,
}

/// How long what had waited while the process stood still is read for.
const STALE_MS: u64 = 100;

impl Shard {
    /// A shard without snapshot: it refuses calls until `on_snapshot`.
    pub fn new(config: Config) -> Shard {
        let mut random = Random::new(config.seed);
        if let Some(key) = config.behind.key.clone() {
            random = random.naming(key, config.node);
        }
        let mut book = Book::new(config.node, config.boot, config.shard, config.shards);
        for (grant, account, amount, used) in &config.grants {
            book.adopt(*grant, *account, *amount, *used);
        }
        let switch = Switch {
            listeners: config.listeners.clone(),
            media_v4: config.media_v4,
            media_v6: config.media_v6,
            shard_mark: steer::mark(config.shard),
        };
        let mut relay = Relay::new(config.port_low, config.port_high, random.bits());
        relay.begin_life(config.boot);
        for listener in &config.listeners {
            relay.exclude(listener.address.port());
        }
        let (guard, streams) = (Guard::new(&config.guard, random.bits()), Streams::new(config.shard.0, config.streams));
        let table_seed = random.bits();
        let mut decoy = [0; 32];
        decoy.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.bits().to_be_bytes()));
        Shard {
            identity: Identity::new(Key(config.node_key), (config.node, config.shard), decoy),
            registrations: Registrations::default(),
            config,
            switch,
            ways: Ways::default(),
            certificates: certificates::Certificates::default(),
            probes: Vec::new(),
            probes_at: None,
            loaded: None,
            egress_addresses: Vec::new(),
            came_from: Cell::new(None),
            guard,
            reading: Vec::new(),
            streams,
            nodes: across::Nodes::default(),
            unsent: VecDeque::new(),
            random,
            relay,
            table: Table::new(table_seed),
            wheel: Wheel::default(),
            book,
            standings: Standings::default(),
            work: call::effect::Effects::default(),
            routes: rating::Routes::default(),
            inbox: VecDeque::new(),
            book_orders: Vec::new(),
            waiting: VecDeque::new(),
            ports: HashMap::new(),
            taped: tapes::Ports::default(),
            collects: false,
            next_ticket: 1,
            next_sequence: 1,
            calls_up: 0,
            running: 0,
            unfiled: Vec::new(),
            mark_at: Instant::default(),
            draining: false,
            refuses_from: Instant::default(),
            disk_full: false,
            fresh_from: Instant::default(),
            counters: Counters::default(),
            stages: Stages::default(),
            due: Vec::new(),
        }
    }

    /// A SIP message came to this shard's socket.
    pub fn on_sip(&mut self, clock: Clock, from: Hop, bytes: &[u8], out: &mut Effects) {
        let of_node = self.is_of_node(from, bytes);
        let known = if of_node { self.nodes.are_at(from.remote) } else { self.is_known(clock.now, from) };
        if self.guard.ask(clock.now, from.remote.ip(), known).is_err() {
            self.counters.sip_silenced += 1;
            return;
        }
        if of_node {
            return self.on_node(clock, bytes, out);
        }
        // A shard that is alone owns everything.
        let owner = if self.config.shards > 1 { steer::owner(bytes, self.config.shards) } else { None };
        match owner {
            Some(owner) if owner != self.config.shard => {
                self.counters.sip_steered += 1;
                let parcel = Parcel::Datagram { from, bytes: bytes.to_vec() };
                out.list.push(Effect::Parcel { to: owner, parcel: parcel.into() });
            }
            _ => self.hear(clock, from, bytes, out),
        }
    }

    /// A datagram of `length` bytes came to an open media port at this moment, which may be some time ago. It stands at the beginning
    /// of a room that has [`media::srtp::SEAL_BYTES_MAX`] bytes more, so that it can be encrypted there. Allocates nothing.
    pub fn on_media(
        &mut self,
        clock: Clock,
        came: Instant,
        port: u16,
        from: SocketAddr,
        room: &mut [u8],
        length: usize,
    ) -> Option<Forward> {
        let forward = match self.relay.on_room(clock.now, came, port, from, room, length) {
            Verdict::Forward { port, to } => Forward { port, to, length, instead: None },
            Verdict::Changed { port, to, length } => Forward { port, to, length, instead: None },
            Verdict::Say { port, to, bytes } => Forward { port, to, length, instead: Some(bytes) },
            Verdict::Drop(why) => {
                self.counters.media_dropped += 1;
                self.counters.media_forged += u64::from(why == Dropped::Forged);
                self.counters.media_replayed += u64::from(why == Dropped::Replayed);
                self.counters.media_undescribed += u64::from(why == Dropped::Undescribed);
                return None;
            }
        };
        self.counters.media_relayed += 1;
        Some(forward)
    }

    /// How long one media datagram took, in nanoseconds; a sample is enough.
    pub fn record_relay(&mut self, nanos: u64) {
        self.stages.relay.record(nanos);
    }

    /// Another shard handed something over.
    pub fn on_parcel(&mut self, clock: Clock, parcel: Parcel, out: &mut Effects) {
        match parcel {
            Parcel::Datagram { from, bytes } => self.hear(clock, from, &bytes, out),
            Parcel::Send { to, bytes } => self.on_send_parcel(clock, to, &bytes, out),
            Parcel::Over { across, bytes } => self.carry_over(clock, across, &bytes, out),
            Parcel::Node(place) => {
                self.nodes.learn(place);
            }
            Parcel::Unsent { bytes } => {
                self.unsent.push_back(bytes);
                self.work_inbox(clock, out);
            }
            Parcel::Trunk(word) => self.on_word(clock, word, out),
            Parcel::Standing(word) => self.on_standing(word),
            Parcel::Book { from, entry } => {
                self.inbox.push_back((from, entry));
                self.work_inbox(clock, out);
            }
            Parcel::Binding(change) => {
                self.identity.registrar.copy(change);
                self.find_subscribers(clock);
            }
            Parcel::Proof(news) => self.identity.proofs.learn(clock.now, news),
        }
    }

    /// All journal records up to and with this ticket are durable.
    pub fn on_journaled(&mut self, clock: Clock, ticket: u64, out: &mut Effects) {
        while self.waiting.front().is_some_and(|(waits_for, _)| *waits_for <= ticket) {
            match self.waiting.pop_front() {
                Some((_, Waiting::Call(at))) => self.with_call(clock, at, out, |call, ctx| call.on_journaled(ctx)),
                Some((_, Waiting::Want(want))) => out.list.push(Effect::Want(want)),
                Some((_, Waiting::Settle(entry))) => {
                    self.ask_home(entry, out);
                    self.work_inbox(clock, out);
                }
                None => return,
            }
        }
    }

    /// The pump could not open a media port.
    pub fn on_port_failed(&mut self, clock: Clock, port: u16, out: &mut Effects) {
        self.relay.avoid(port);
        if let Some(at) = self.ports.get(&port).copied() {
            self.with_call(clock, at, out, |call, ctx| call.on_resource_lost(ctx));
        }
    }

    /// The journal's disk is nearly full (refuse new calls) or has room again.
    pub fn on_disk_full(&mut self, full: bool) {
        self.disk_full = full;
    }

    /// The ledger answered a want.
    pub fn on_reply(&mut self, clock: Clock, reply: Reply, out: &mut Effects) {
        self.book.on_reply(clock.now, &reply, &mut self.book_orders);
        self.carry_out_book(out);
        self.work_inbox(clock, out);
    }

    /// Swap to a checked snapshot. The one before is handed back, so that whoever can wait takes it apart.
    pub fn on_snapshot(&mut self, clock: Clock, loaded: Loaded, out: &mut Effects) -> Option<Loaded> {
        self.learn_names(&loaded);
        self.want_registrations(clock, &loaded);
        let before = self.loaded.replace(loaded);
        self.came_from.set(None);
        self.watch(clock);
        self.watch_standings(clock, out);
        self.find_subscribers(clock);
        self.map_addresses();
        before
    }

    /// How far behind the shard is, in thousandths of [`guard::LAG_MAX_MS`]: 1,000 says that what it reads has waited so long.
    /// Told at the beginning of a turn; without a word for half a second it counts as 0.
    pub fn on_load(&mut self, clock: Clock, permille: u32) {
        self.guard.on_load(clock.now, permille);
    }

    /// The process stood still for so long that balancers gave it up: calls that waited to begin here have begun elsewhere.
    pub fn on_stood_still(&mut self, clock: Clock) {
        self.fresh_from = clock.now.plus_millis(STALE_MS);
    }

    /// The message that this shard was reading when it broke; empty if it broke over something else.
    pub fn reading(&self) -> &[u8] {
        &self.reading
    }

    /// The last strangers that were refused, latest first.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> {
        self.guard.refused()
    }

    /// Who is heard, and how much.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Release a call by an operator's wish; false if this shard does not have it.
    pub fn on_release(&mut self, clock: Clock, call: CallId, out: &mut Effects) -> bool {
        let wanted = |entry: &table::Entry| entry.call.id() == call && !entry.call.is_over();
        let Some(at) = self.table.iter().find(|(_, entry)| wanted(entry)).map(|(at, _)| at) else { return false };
        self.with_call(clock, at, out, |call, ctx| call.on_operator_release(ctx));
        true
    }

    /// The node was written off: what boots up to this one were lent is void; while it is barred, nothing more may be used.
    pub fn on_fence(&mut self, clock: Clock, boot: u32, barred: bool, out: &mut Effects) {
        self.book.on_fence(boot, barred, &mut self.book_orders);
        self.carry_out_book(out);
        self.work_inbox(clock, out);
    }

    /// Refuse new calls or take them again. Balancers before the node are told first: what they send until they know is taken.
    pub fn on_drain(&mut self, clock: Clock, on: bool) {
        if on && !self.draining {
            self.refuses_from = clock.now.plus_millis(self.config.behind.told_ms());
        }
        self.be_drained(on);
    }

    /// The process is about to end: calls are refused at once.
    pub fn on_stop(&mut self, clock: Clock) {
        self.refuses_from = clock.now;
        self.be_drained(true);
    }

    fn be_drained(&mut self, on: bool) {
        self.draining = on;
        self.drain_registrations(on);
        self.hold_probes();
    }

    /// The deadline has come.
    pub fn on_time(&mut self, clock: Clock, out: &mut Effects) {
        let mut due = core::mem::take(&mut self.due);
        self.wheel.turn(clock.now, &mut due);
        for at in due.drain(..) {
            match self.table.due(at, clock.now) {
                Some(Due::Call) => {}
                Some(Due::Later(due)) => {
                    self.table.filed(at, self.wheel.file(due, at));
                    continue;
                }
                Some(Due::Rest(ladder)) => {
                    self.rest_on_time(clock, at, ladder, out);
                    continue;
                }
                None => continue,
            }
            self.hand_ladder_over(clock, at, out);
            let Some(entry) = self.table.get_mut(at) else { continue };
            let is_due = entry.call.deadline().is_some_and(|deadline| deadline <= clock.now);
            if is_due {
                self.with_call(clock, at, out, |call, ctx| call.on_time(ctx));
            } else {
                self.file(clock.now, at);
            }
        }
        self.due = due;
        self.pass_digits(clock, out);
        self.move_media(out);
        self.streams_on_time(clock, out);
        self.book.on_time(clock.now, &mut self.book_orders);
        self.carry_out_book(out);
        self.work_inbox(clock, out);
        self.ask_trunks(clock, out);
        self.weigh_trunks(clock, out);
        self.mark(clock, out);
        self.end_bindings(clock);
        self.refresh_registrations(clock, out);
    }

    /// Digits that media brought and that the other legs hear of by message.
    fn pass_digits(&mut self, clock: Clock, out: &mut Effects) {
        while let Some((port, digit)) = self.relay.digit() {
            if let Some(at) = self.ports.get(&port).copied() {
                self.with_call(clock, at, out, |call, ctx| call.on_digit(ctx, port, digit));
            }
        }
    }

    /// When `on_time` must be called at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        let mark = (self.calls_up > 0).then_some(self.mark_at);
        let names = [
            self.identity.registrar.deadline(),
            self.registrations.deadline(),
            self.probes_at,
            self.standings.deadline(),
        ];
        let digits = (self.relay.has_digits() || self.relay.has_changes()).then_some(Instant::default());
        let own = [digits, self.wheel.deadline(), self.book.deadline(), self.streams.deadline(), mark];
        own.into_iter().chain(names).flatten().min()
    }

    /// The running calls, oldest first.
    pub fn calls(&self, clock: Clock, limit: usize, rows: &mut Vec<CallRow>) {
        let running = self.table.iter().filter(|(_, entry)| entry.runs);
        let mut found: Vec<_> = running.map(|(_, entry)| entry).collect();
        found.sort_by_key(|entry| entry.call.id());
        rows.extend(found.iter().take(limit).map(|entry| self.row(entry, clock)));
    }

    fn row(&self, entry: &table::Entry, clock: Clock) -> CallRow {
        let summary = entry.call.summary(clock);
        let (media_path, stays) = self.media_path(&entry.call);
        let suites = entry.call.suites().map(|suite| suite.map_or(0, |suite| suite as u8));
        let [mut ingress_media, mut egress_media] = entry.call.media(&self.relay).map(|quality| MediaRow {
            packets: quality.packets,
            kernel_packets: quality.kernel_packets,
            lost: quality.lost,
            jitter_us: quality.jitter_us,
            rtt_us: quality.rtt_us,
            mos_x100: quality.mos_x100,
            suite: 0,
        });
        [ingress_media.suite, egress_media.suite] = suites;
        CallRow {
            call: entry.call.id().to_string(),
            state: summary.state.to_string(),
            ingress_trunk: summary.ingress_trunk.0,
            originator: summary.originator.0,
            egress_trunk: summary.egress_trunk.0,
            terminator: summary.terminator.0,
            calling: summary.calling.to_string(),
            called: summary.called.to_string(),
            attempt: summary.attempt,
            started: summary.started.micros(),
            talking_ms: summary.talking_ms,
            sell_per_minute: summary.sell_per_minute.nanos(),
            buy_per_minute: summary.buy_per_minute.nanos(),
            codec: summary.codec.to_string(),
            shard: self.config.shard.0,
            media_path,
            stays,
            ingress_media,
            egress_media,
        }
    }

    /// Gauges.
    pub fn figures(&self) -> ShardFigures {
        debug_assert!(
            self.table.iter().all(|(_, entry)| entry.runs != entry.call.is_over()),
            "a call runs until it is over"
        );
        debug_assert_eq!(self.running as usize, self.table.iter().filter(|(_, entry)| entry.runs).count());
        let (rooms_taken, rooms_held) = self.rooms_audit();
        ShardFigures {
            shard: self.config.shard.0,
            calls: self.running,
            answered: self.calls_up,
            ports_used: self.relay.ports_used(),
            ports_max: self.relay.ports_max(),
            revision: self.loaded.as_ref().map_or(0, |loaded| loaded.view().revision().0),
            rooms_taken,
            rooms_held,
            trunks: self.trunk_figures(),
            standings: self.standing_figures(),
            routes: self.route_figures(),
        }
    }

    /// Calls that are not over.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// Counters since the start: name and value.
    pub fn counters(&self, each: &mut dyn FnMut(&'static str, u64)) {
        Counters { fastpath_families: self.relay.between_families(), ..self.counters.clone() }.each(each);
    }

    /// Latency distributions since the start, by stage: parse, admit, limits, route, egress, answer, relay.
    pub fn stages(&self, each: &mut dyn FnMut(&'static str, &Histogram)) {
        self.stages.each(each);
    }

    /// Calls in the table, those included that are over and wait for their transactions.
    pub fn calls_held(&self) -> u32 {
        self.table.len()
    }

    /// Which trunks do not answer, and what host names stand for.
    pub fn ways(&self) -> &Ways {
        &self.ways
    }

    /// Room taken and money reserved, as this home shard's book has them: for audits.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// Our registrations with peers.
    pub fn registrations(&self) -> &Registrations {
        &self.registrations
    }

    /// Where subscribers can be called: what this shard decided and what the others told it.
    pub fn registrar(&self) -> &Registrar {
        &self.identity.registrar
    }
}

/// Splits the shard into a call's context and the rest.
pub(crate) fn context<'a>(
    clock: Clock,
    loaded: &'a Loaded,
    (switch, ways, keys): (&'a Switch, &'a Ways, &'a stir::Keys),
    random: &'a mut Random,
    relay: &'a mut Relay,
    (work, routes): (&'a mut call::effect::Effects, &'a mut rating::Routes),
    ticks: fn() -> u64,
) -> Context<'a> {
    Context {
        desk: Desk { clock, switch, random, out: work },
        view: loaded.view(),
        policies: &loaded.policies,
        ways,
        keys,
        relay,
        routes,
        ticks,
    }
}
