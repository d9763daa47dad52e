//! The cores behind a balancer: who they are, what they carry, who takes the next call.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use units::{Instant, NodeId};

use crate::health::{Health, State};
use crate::pick;

/// Cores at most.
pub const CORES_MAX: usize = 64;
/// The largest weight.
pub const WEIGHT_MAX: u8 = 100;
/// A core that carries more than its share by so much is passed over: in per cent of the share, and in calls on top, as small
/// numbers differ by chance.
pub const SHARE_PERCENT_MAX: u64 = 125;
/// See [`SHARE_PERCENT_MAX`].
pub const SHARE_SLACK: u64 = 16;

/// A core, from when it was added until it is removed; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoreId(pub u32);

/// One core.
#[derive(Clone, Copy, Debug)]
pub struct Core {
    /// Its name among us.
    pub id: CoreId,
    /// Where it hears us.
    pub at: SocketAddr,
    /// Its share of the calls, against those of the others.
    pub weight: u8,
    /// Its number in the cluster; `None` before it answered.
    pub node: Option<NodeId>,
    /// An operator wants no new calls on it.
    pub draining: bool,
    /// Is it there?
    pub health: Health,
    /// Calls that it carries, by its last answer.
    pub calls: u64,
    /// Calls that it was given since.
    pub fresh: u64,
    /// Calls that it was given since it was added.
    pub begun: u64,
    /// What it bids with.
    seed: u64,
    pub(crate) ask_at: Instant,
}

impl Core {
    /// Does it take new calls?
    pub fn is_up(&self) -> bool {
        self.health.state == State::Up && !self.draining
    }

    /// What it carries, as far as that is known.
    pub fn load(&self) -> u64 {
        self.calls + self.fresh
    }
}

/// Why a core was not added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is one at this address.
    Known,
    /// There are [`CORES_MAX`].
    Full,
    /// There is none at this address.
    Unknown,
    /// It carries so many calls.
    Busy(u64),
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Refusal::Known => f.write_str("there is a core at this address"),
            Refusal::Full => write!(f, "there are {CORES_MAX} cores, the most that a balancer has"),
            Refusal::Unknown => f.write_str("there is no core at this address"),
            Refusal::Busy(calls) => write!(f, "it carries {calls} calls: drain it first, or force it"),
        }
    }
}

/// All cores.
#[derive(Debug)]
pub struct Cores {
    seed: u64,
    list: Vec<Core>,
    next: u32,
}

impl Cores {
    pub(crate) fn new(seed: u64) -> Cores {
        Cores { seed, list: Vec::new(), next: 0 }
    }

    /// What all balancers hash with.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// All, in the order that they were added in.
    pub fn all(&self) -> &[Core] {
        &self.list
    }

    pub(crate) fn all_mut(&mut self) -> &mut [Core] {
        &mut self.list
    }

    /// One.
    pub fn get(&self, id: CoreId) -> Option<&Core> {
        self.list.iter().find(|core| core.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: CoreId) -> Option<&mut Core> {
        self.list.iter_mut().find(|core| core.id == id)
    }

    /// The one at this address.
    pub fn at(&self, at: SocketAddr) -> Option<CoreId> {
        self.list.iter().find(|core| core.at == at).map(|core| core.id)
    }

    /// The one with this number in the cluster.
    pub fn of_node(&self, node: NodeId) -> Option<CoreId> {
        self.list.iter().find(|core| core.node == Some(node)).map(|core| core.id)
    }

    /// Adds one; it takes calls as soon as it answered. The weight is at least 1.
    ///
    /// # Errors
    /// It is there already, or there are too many.
    pub fn add(&mut self, at: SocketAddr, weight: u8) -> Result<CoreId, Refusal> {
        if self.at(at).is_some() {
            return Err(Refusal::Known);
        }
        if self.list.len() >= CORES_MAX {
            return Err(Refusal::Full);
        }
        let ip = match at.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let seed = pick::hash(pick::hash(self.seed, &ip.octets()), &at.port().to_be_bytes());
        let id = CoreId(self.next);
        self.next += 1;
        self.list.push(Core {
            id,
            at,
            weight: weight.clamp(1, WEIGHT_MAX),
            node: None,
            draining: false,
            health: Health::default(),
            calls: 0,
            fresh: 0,
            begun: 0,
            seed,
            ask_at: Instant::default(),
        });
        Ok(id)
    }

    /// No new calls to it from here on, or calls again; what runs on it goes on.
    ///
    /// # Errors
    /// It is not there.
    pub fn drain(&mut self, at: SocketAddr, on: bool) -> Result<(), Refusal> {
        let core = self.list.iter_mut().find(|core| core.at == at).ok_or(Refusal::Unknown)?;
        core.draining = on;
        Ok(())
    }

    /// Forgets one. Calls that run on it would not be reached any more: `force` does it all the same.
    ///
    /// # Errors
    /// It is not there, or it answers and carries calls.
    pub fn remove(&mut self, at: SocketAddr, force: bool) -> Result<(), Refusal> {
        let place = self.list.iter().position(|core| core.at == at).ok_or(Refusal::Unknown)?;
        let core = &self.list[place];
        if !force && core.load() > 0 {
            return Err(Refusal::Busy(core.load()));
        }
        self.list.remove(place);
        Ok(())
    }

    /// None was ever heard.
    pub(crate) fn is_starting(&self) -> bool {
        self.list.iter().all(|core| core.health.state == State::Unknown)
    }

    pub(crate) fn begun(&mut self, id: CoreId) {
        if let Some(core) = self.get_mut(id) {
            core.begun += 1;
            core.fresh += 1;
        }
    }

    /// Who takes a call of this key: of the cores that are up and do not carry too much, the one that bids best.
    pub fn pick(&self, key: u64) -> Option<CoreId> {
        let up = || self.list.iter().filter(|core| core.is_up());
        let (load, weight) = up().fold((0, 0), |sum, core| (sum.0 + core.load(), sum.1 + u64::from(core.weight)));
        // As many calls as it may carry, times the weights of all: no division, no rounding.
        let fits = |core: &&Core| {
            core.load() * weight * 100 <= load * u64::from(core.weight) * SHARE_PERCENT_MAX + SHARE_SLACK * weight * 100
        };
        up().filter(fits).min_by_key(|core| (pick::cost(key, core.seed, core.weight), core.at)).map(|core| core.id)
    }
}
