//! What is known of the ways out besides the snapshot: which trunks do not answer, and what their host names stand for.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use rating::Policies;
use rating::quality::Sum;
use sip::{Flow, Transport};
use snapshot::{View, policy};
use units::{Cause, EgressTrunkId, PlanId, WallTime};

use crate::limits::TARGETS_MAX;

/// Hosts of one trunk that are looked at.
pub const HOSTS_MAX: usize = 32;

/// One host that serves a trunk, as an SRV record names it (RFC 2782).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// What carries messages to it.
    pub transport: Transport,
    /// Lower first.
    pub priority: u32,
    /// Its share among hosts of the same priority.
    pub weight: u16,
    /// Its addresses, in the order to try them.
    pub addresses: Vec<SocketAddr>,
    /// The connection that it made itself; calls take no other way.
    pub flow: Option<Flow>,
}

/// One place where a trunk is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Over what.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// By which connection, where there is one already.
    pub flow: Option<Flow>,
}

/// Where one call tries a trunk, in order; four places at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    all: [Option<Place>; TARGETS_MAX],
    next: u8,
}

impl Places {
    /// One place only.
    pub fn one(transport: Transport, address: SocketAddr) -> Places {
        let mut places = Places::default();
        places.all[0] = Some(Place { transport, address, flow: None });
        places
    }

    /// Takes the next place.
    pub fn take(&mut self) -> Option<Place> {
        let place = self.peek()?;
        self.next += 1;
        Some(place)
    }

    /// How many places are left.
    pub fn left(&self) -> usize {
        self.all.iter().skip(usize::from(self.next)).flatten().count()
    }

    /// The next place, which stays.
    pub fn peek(&self) -> Option<Place> {
        self.all.get(usize::from(self.next)).copied().flatten()
    }
}

/// Trunks that cannot be reached, trunks whose addresses are looked up and how well trunks do, each sorted by id.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    shut: Vec<(EgressTrunkId, Cause)>,
    sums: Vec<((PlanId, EgressTrunkId), Sum)>,
    down: Vec<(EgressTrunkId, WallTime)>,
    targets: Vec<(EgressTrunkId, Vec<Target>)>,
}

impl Ways {
    /// True if calls must not try this trunk: it does not answer, or nobody knows where it is.
    pub fn is_down(&self, trunk: EgressTrunkId) -> bool {
        self.down_since(trunk).is_some() || self.targets(trunk).is_some_and(<[Target]>::is_empty)
    }

    /// Since when a trunk has not answered.
    pub fn down_since(&self, trunk: EgressTrunkId) -> Option<WallTime> {
        let place = self.down.binary_search_by_key(&trunk, |(id, _)| *id).ok()?;
        Some(self.down[place].1)
    }

    /// The trunks that do not answer, by id.
    pub fn down(&self) -> &[(EgressTrunkId, WallTime)] {
        &self.down
    }

    /// A trunk stopped to answer, or answers again.
    pub fn set_down(&mut self, trunk: EgressTrunkId, since: Option<WallTime>) {
        match (self.down.binary_search_by_key(&trunk, |(id, _)| *id), since) {
            (Ok(place), Some(since)) => self.down[place].1 = since,
            (Ok(place), None) => {
                self.down.remove(place);
            }
            (Err(place), Some(since)) => self.down.insert(place, (trunk, since)),
            (Err(_), None) => {}
        }
    }

    /// Why no call may go to a trunk at this moment, by its home shard's word: it rests or is throttled.
    pub fn shut(&self, trunk: EgressTrunkId) -> Option<Cause> {
        let place = self.shut.binary_search_by_key(&trunk, |(id, _)| *id).ok()?;
        Some(self.shut[place].1)
    }

    /// Calls may no longer go to a trunk, or may again.
    pub fn set_shut(&mut self, trunk: EgressTrunkId, cause: Option<Cause>) {
        match (self.shut.binary_search_by_key(&trunk, |(id, _)| *id), cause) {
            (Ok(place), Some(cause)) => self.shut[place].1 = cause,
            (Ok(place), None) => {
                self.shut.remove(place);
            }
            (Err(place), Some(cause)) => self.shut.insert(place, (trunk, cause)),
            (Err(_), None) => {}
        }
    }

    /// What the last calls of a trunk by a plan say; nothing is known of one that is not watched.
    pub fn sum(&self, plan: PlanId, trunk: EgressTrunkId) -> Sum {
        let place = self.sums.binary_search_by_key(&(plan, trunk), |(route, _)| *route);
        place.map_or(Sum::default(), |place| self.sums[place].1)
    }

    /// The last calls of a trunk by a plan say something else.
    pub fn set_sum(&mut self, plan: PlanId, trunk: EgressTrunkId, sum: Sum) {
        match self.sums.binary_search_by_key(&(plan, trunk), |(route, _)| *route) {
            Ok(place) => self.sums[place].1 = sum,
            Err(place) => self.sums.insert(place, ((plan, trunk), sum)),
        }
    }

    /// Another snapshot: forgets the standing of trunks that are not watched any more, and of routes that no plan orders by quality.
    pub fn retain_standing(
        &mut self,
        watched: impl Fn(EgressTrunkId) -> bool,
        by_quality: impl Fn(PlanId, EgressTrunkId) -> bool,
    ) {
        self.shut.retain(|(trunk, _)| watched(*trunk));
        self.sums.retain(|((plan, trunk), _)| by_quality(*plan, *trunk));
    }

    /// The hosts of a trunk whose addresses are looked up; `None` for a trunk that has an address of its own.
    pub fn targets(&self, trunk: EgressTrunkId) -> Option<&[Target]> {
        let place = self.targets.binary_search_by_key(&trunk, |(id, _)| *id).ok()?;
        Some(&self.targets[place].1)
    }

    /// What a trunk's host name stands for; empty while nobody knows.
    pub fn set_targets(&mut self, trunk: EgressTrunkId, mut targets: Vec<Target>) {
        targets.truncate(HOSTS_MAX);
        match self.targets.binary_search_by_key(&trunk, |(id, _)| *id) {
            Ok(place) => self.targets[place].1 = targets,
            Err(place) => self.targets.insert(place, (trunk, targets)),
        }
    }

    /// Where to try a trunk, in order; nothing for a trunk that the snapshot does not have. `seed` decides between equals.
    pub fn places(&self, view: &View<'_>, policies: &Policies, trunk: EgressTrunkId, seed: u64) -> Places {
        if let Some(targets) = self.targets(trunk) {
            return order(targets, seed);
        }
        let transport = transport_of(policies.egress(trunk).policy.transport);
        view.egress(trunk).map_or(Places::default(), |egress| Places::one(transport, egress.address()))
    }

    /// True if a trunk that is found by name has this address.
    pub fn has(&self, trunk: EgressTrunkId, ip: IpAddr) -> bool {
        let mut targets = self.targets(trunk).into_iter().flatten();
        targets.any(|target| target.addresses.iter().any(|address| address.ip() == ip))
    }

    /// Another snapshot: forgets what no longer applies. `probed` and `named` say of a trunk whether it is probed and whether its
    /// addresses are looked up.
    pub fn retain(&mut self, probed: impl Fn(EgressTrunkId) -> bool, named: impl Fn(EgressTrunkId) -> bool) {
        self.down.retain(|(trunk, _)| probed(*trunk));
        self.targets.retain(|(trunk, _)| named(*trunk));
    }

    /// All addresses that serve trunks by name.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let targets = self.targets.iter().flat_map(|(_, targets)| targets);
        targets.flat_map(|target| target.addresses.iter().map(SocketAddr::ip))
    }
}

/// What a policy's transport means for a trunk with an address: UDP where it leaves the choice.
pub fn transport_of(wanted: policy::Transport) -> Transport {
    match wanted {
        policy::Transport::Auto | policy::Transport::Udp => Transport::Udp,
        policy::Transport::Tcp => Transport::Tcp,
        policy::Transport::Tls => Transport::Tls,
    }
}

/// The places to try, by RFC 2782: lowest priority first, and among equals one after the other is drawn by weight.
pub fn order(targets: &[Target], seed: u64) -> Places {
    let (mut places, mut count, mut taken) = (Places::default(), 0, 0u64);
    for draw in 0..targets.len().min(HOSTS_MAX) {
        let Some(host) = pick(targets, taken, rating::random(seed, draw as u64)) else { break };
        taken |= 1 << host;
        let Target { transport, flow, .. } = targets[host];
        for address in &targets[host].addresses {
            let Some(slot) = places.all.get_mut(count) else { return places };
            *slot = Some(Place { transport, address: *address, flow });
            count += 1;
        }
    }
    places
}

fn pick(targets: &[Target], taken: u64, chance: u64) -> Option<usize> {
    let open = || targets.iter().take(HOSTS_MAX).enumerate().filter(|(host, _)| taken & (1 << host) == 0);
    let best = open().map(|(_, target)| target.priority).min()?;
    let equals = || open().filter(|(_, target)| target.priority == best);
    let sum: u64 = equals().map(|(_, target)| u64::from(target.weight)).sum();
    // RFC 2782, "Weight": those of weight 0 stand first; drawn is a number from 0 to the sum, both included.
    let mut left = chance % (sum + 1);
    let light = equals().filter(|(_, target)| target.weight == 0);
    for (host, target) in light.chain(equals().filter(|(_, target)| target.weight > 0)) {
        if left <= u64::from(target.weight) {
            return Some(host);
        }
        left -= u64::from(target.weight);
    }
    None
}

const _: () = assert!(HOSTS_MAX <= u64::BITS as usize);
