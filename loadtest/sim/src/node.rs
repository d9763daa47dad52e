//! One node of the switch: the production shards, their ports, and what a restart does.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use cdr::Record;
use cdr::recover::{Books, Crash};
use media::{QUARANTINE_MS, REST_MIN_MS};
use panel::wire::Want;
use shard::book::grant_text;
use shard::{Config, Listener, Loaded, Shard, Transport};
use units::{AccountId, Clock, GrantId, Instant, Money, NodeId, ShardId, WallTime};

use crate::chance::Chance;
use crate::prices;
use crate::story::{SECOND, Story};

const MILLION: u128 = 1_000_000;
/// Media ports of each shard.
const PORTS: u16 = 400;
const PORT_LOW: u16 = 20_000;
/// How long a port must rest, in microseconds: the quarantine by the fastest clock.
const REST: u64 = QUARANTINE_MS * 999;
/// The same where no other port has rested that long.
const REST_MIN: u64 = REST_MIN_MS * 999;
/// 2023-11-14, so that wall times look like wall times.
const WALL: i64 = 1_700_000_000_000_000;
/// Bytes of a simulated media packet: an RTP header, the call's index, the side.
pub const PACKET_BYTES: usize = 20;

/// The SIP address of a node.
pub fn sip_address(node: usize) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1 + 2 * node as u8], 5_060))
}

fn media_address(node: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 2 + 2 * node as u8)
}

/// One media packet of a call.
pub fn packet(index: usize, by_caller: bool, number: u64) -> [u8; PACKET_BYTES] {
    let mut bytes = [0; PACKET_BYTES];
    bytes[0] = 0x80;
    bytes[1] = 8;
    bytes[3] = number as u8;
    bytes[8..12].copy_from_slice(&(index as u32 * 2 + u32::from(by_caller)).to_be_bytes());
    bytes[12..16].copy_from_slice(&(index as u32).to_be_bytes());
    bytes[16] = u8::from(by_caller);
    bytes
}

/// Whose packet it is, and whether the caller's end sent it.
pub fn packet_of(bytes: &[u8; PACKET_BYTES]) -> (usize, bool) {
    (u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]) as usize, bytes[16] == 1)
}

/// Shards and what the program around them would keep.
pub struct Node {
    /// The shards; none while the process is away.
    pub shards: Vec<Shard>,
    /// How often it has started.
    pub boot: u32,
    /// The snapshot in force.
    pub loaded: Loaded,
    number: usize,
    strict: bool,
    ports: BTreeMap<u16, ShardId>,
    /// When each port was closed last, by a call's end or by the process's.
    used: BTreeMap<u16, u64>,
    count: u16,
    seed: u64,
    /// How its clocks run.
    pub ticks: Ticks,
}

/// A clock that starts with its process and runs a little faster or slower than the world's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ticks {
    started: u64,
    /// Millionths.
    drift: i64,
}

impl Ticks {
    /// What it shows, in microseconds.
    pub fn at(self, world: u64) -> u64 {
        (u128::from(world - self.started) * self.rate() / MILLION) as u64
    }

    /// The first moment at which it shows this.
    fn world(self, ticks: u64) -> u64 {
        (u128::from(ticks) * MILLION).div_ceil(self.rate()) as u64 + self.started
    }

    fn rate(self) -> u128 {
        MILLION.saturating_add_signed(i128::from(self.drift))
    }
}

impl Node {
    /// A node that has not started yet.
    pub fn new(story: &Story, number: usize, loaded: Loaded) -> Node {
        let (shards, ports, used) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let (count, seed) = (story.shards, story.seed ^ (number as u64) << 48);
        let strict = story.strife.strict;
        let ticks = Ticks { started: 0, drift: story.strife.drift[number] };
        Node { shards, boot: 0, loaded, number, strict, ports, used, count, seed, ticks }
    }

    /// Both clocks. The monotonic one starts anew with each boot, as on another machine.
    pub fn clock(&self, now: u64) -> Clock {
        let monotonic = self.ticks.at(now) + u64::from(self.boot) * 7 * SECOND;
        let wall = Ticks { started: 0, ..self.ticks }.at(now);
        Clock { now: Instant::from_micros(monotonic), wall: WallTime::from_micros(WALL) + wall }
    }

    /// The earliest deadline of a shard, on the world's clock.
    pub fn deadline(&self) -> Option<(u64, ShardId)> {
        let each = self.shards.iter().enumerate();
        let due = each.filter_map(|(index, shard)| {
            let due = shard.deadline()?.micros();
            let world = self.ticks.world(due.saturating_sub(u64::from(self.boot) * 7 * SECOND));
            Some((world, ShardId(index as u16)))
        });
        due.min()
    }

    /// The process is gone, and its ports with it.
    pub fn kill(&mut self, now: u64) {
        self.shards.clear();
        self.used.extend(core::mem::take(&mut self.ports).into_keys().map(|port| (port, now)));
    }

    /// The process starts: reads the journal, bills what was cut, and makes new shards. Returns what it writes first and what it asks
    /// of the ledger.
    pub fn restart(&mut self, now: u64, records: &[Record]) -> (Vec<Record>, Vec<Want>) {
        self.boot += 1;
        self.ticks.started = now;
        let books = replay(records, self.strict);
        let open = books.grants.iter().map(|open| (open.grant, open.account, open.amount, open.used));
        let open: Vec<Carried> = open.collect();
        for index in 0..self.count {
            // Each shard adopts the grants of the accounts that live with it.
            self.shards.push(Shard::new(self.facts(ShardId(index), open.clone())));
        }
        let wants = books.closing.iter().map(|end| {
            let (grant, account, used) = (grant_text(end.grant), end.account.0, end.used.nanos());
            Want::Close { grant, account, used }
        });
        (books.records(self.boot, self.clock(now).wall).collect(), wants.collect())
    }

    fn facts(&self, shard: ShardId, grants: Vec<Carried>) -> Config {
        let mut chance = Chance::new(self.seed ^ u64::from(self.boot) << 32 ^ u64::from(shard.0));
        let mut seed = [0; 32];
        seed.iter_mut().for_each(|byte| *byte = chance.any() as u8);
        let port_low = PORT_LOW + shard.0 * PORTS;
        let port_high = port_low + PORTS - 1;
        let (boot, shards, node) = (self.boot, self.count, NodeId(1 + self.number as u16));
        let (listeners, media_v4) = (listeners(self.number), Some(media_address(self.number)));
        let plain = plain_config();
        Config { node, boot, shard, shards, listeners, media_v4, port_low, port_high, seed, grants, ..plain }
    }

    /// A shard opened a port: it must be its own and not open yet.
    pub fn open_port(&mut self, now: u64, shard: ShardId, port: u16, faults: &mut Vec<String>) {
        let low = PORT_LOW + shard.0 * PORTS;
        let own = low..low + PORTS;
        let tired = |port: &u16, rest: u64| self.used.get(port).is_some_and(|used| now - used < rest);
        let any_rested = || own.clone().any(|port| !self.ports.contains_key(&port) && !tired(&port, REST));
        if tired(&port, REST_MIN) || tired(&port, REST) && any_rested() {
            faults.push(format!("shard {shard} opened port {port}, to which an earlier call's packets may still come"));
        }
        if !own.contains(&port) || self.ports.insert(port, shard).is_some() {
            faults.push(format!("shard {shard} opened port {port}, which is not its own or open already"));
        }
    }

    /// A shard closed a port.
    pub fn close_port(&mut self, now: u64, port: u16, faults: &mut Vec<String>) {
        self.used.insert(port, now);
        if self.ports.remove(&port).is_none() {
            faults.push(format!("port {port} was closed and had not been open"));
        }
    }

    /// Ports that are open.
    pub fn ports_open(&self) -> usize {
        self.ports.len()
    }

    /// The shard that an open media port belongs to.
    pub fn shard_of_port(&self, to: SocketAddr) -> Option<ShardId> {
        self.ports.get(&to.port()).copied().filter(|_| self.is_media_address(to))
    }

    /// True for the switch's own media address.
    pub fn is_media_address(&self, to: SocketAddr) -> bool {
        to.ip() == IpAddr::V4(media_address(self.number))
    }
}

fn listeners(node: usize) -> Vec<Listener> {
    alloc::vec![Listener { name: String::new(), transport: Transport::Udp, address: sip_address(node) }]
}

/// A shard alone on its node, heard by UDP on [`sip_address`]: what stories, fuzz targets and yardsticks begin with.
pub fn plain_config() -> Config {
    Config {
        node: NodeId(1),
        boot: 1,
        shard: ShardId(0),
        shards: 1,
        listeners: listeners(0),
        media_v4: Some(media_address(0)),
        media_v6: None,
        port_low: PORT_LOW,
        port_high: PORT_LOW + PORTS - 1,
        seed: [7; 32],
        node_key: [7; 32],
        behind: Default::default(),
        trace_percent: 0,
        grants: Vec::new(),
        guard: shard::guard::Settings::default(),
        streams: shard::streams::Settings::default(),
        // Simulated work takes no time: stage latencies are not judged here.
        ticks: || 0,
    }
}

/// A grant that survived: id, account, amount, used.
type Carried = (GrantId, AccountId, Money, Money);

/// The snapshot of a revision.
pub fn loaded(revision: u64) -> Loaded {
    let bytes = prices::model(revision).encode().expect("the story's model is sound");
    snapshot::View::check(&bytes).expect("what was encoded a moment ago is sound");
    Loaded::new(Arc::new(bytes)).expect("the story's policies are sound")
}

/// Reads one encoded record.
pub fn record(bytes: &[u8]) -> Option<Record> {
    Record::decode(bytes).ok()
}

/// What a start-up makes of the journal of older lives, as the program does.
fn replay(records: &[Record], strict: bool) -> Books {
    let crash = if strict { Crash::AtPaidTime } else { Crash::AtMark };
    cdr::recover::replay(records.iter().cloned(), crash, &mut |terms, duration_ms| {
        let charge = rating::charge(terms, duration_ms);
        cdr::Priced { terms: *terms, billed_s: charge.billed_s, price: charge.price, tax: charge.tax }
    })
}
