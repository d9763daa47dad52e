//! What is known of trunks' host names, and which of it the shards have not been told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use rating::Policies;
use shard::{Target, Transport};
use tokio::sync::mpsc;
use units::EgressTrunkId;

use crate::resolve::{self, Found, Resolver, Wanted};

/// Host names of trunks.
pub struct Names {
    resolver: Resolver,
    found: mpsc::Receiver<Found>,
    /// Another snapshot's names, until they are looked up.
    wanted: Option<Vec<(EgressTrunkId, Wanted)>>,
    /// Names that cannot be looked up because no name server is known.
    waiting: Option<Vec<(EgressTrunkId, Wanted)>>,
    known: BTreeMap<EgressTrunkId, Arc<[Target]>>,
    untold: BTreeSet<EgressTrunkId>,
    stale: BTreeSet<EgressTrunkId>,
    lookups: u64,
    failures: u64,
}

impl Names {
    /// Nothing known; this name server is asked, or those of the system.
    pub fn new(server: Option<SocketAddr>, transports: &[Transport]) -> Names {
        let (resolver, found) = Resolver::new(server, transports);
        let (known, untold, stale) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Names { resolver, found, wanted: None, waiting: None, known, untold, stale, lookups: 0, failures: 0 }
    }

    /// A snapshot came into force.
    pub fn want(&mut self, policies: &Policies) {
        (self.wanted, self.waiting) = (Some(resolve::wanted(policies)), None);
    }

    /// A name server may be known by now.
    pub fn want_again(&mut self) {
        if self.waiting.is_some() {
            self.wanted = self.waiting.take();
        }
    }

    /// Starts what [`Names::want`] noted. Must be called within the runtime.
    pub fn look_up(&mut self) {
        let Some(wanted) = self.wanted.take() else { return };
        let gone = |trunk: &EgressTrunkId| !wanted.iter().any(|(other, _)| other == trunk);
        self.known.retain(|trunk, _| !gone(trunk));
        self.untold.retain(|trunk| !gone(trunk));
        self.stale.retain(|trunk| !gone(trunk));
        if !self.resolver.want(&wanted) {
            self.waiting = Some(wanted);
        }
    }

    /// What came of the next lookup.
    pub async fn next(&mut self) -> Found {
        match self.found.recv().await {
            Some(found) => found,
            // The resolver holds the other end as long as it lives.
            None => std::future::pending().await,
        }
    }

    /// Takes note of an answer. A name that nobody answered for keeps what it stood for.
    pub fn note(&mut self, found: Found) {
        let trunk = found.trunk;
        self.lookups += 1;
        match found.targets {
            Ok(targets) => {
                self.stale.remove(&trunk);
                if self.known.get(&trunk).is_none_or(|known| **known != *targets) {
                    let places = targets.iter().map(|target| target.addresses.len()).sum::<usize>();
                    tracing::info!(trunk = trunk.0, hosts = targets.len(), places, "a trunk's name was looked up");
                    self.known.insert(trunk, targets.into());
                    self.untold.insert(trunk);
                }
            }
            Err(error) => {
                self.failures += 1;
                self.stale.insert(trunk);
                let serves = self.known.contains_key(&trunk);
                let error = format!("{error:#}");
                tracing::warn!(
                    trunk = trunk.0,
                    serves,
                    error,
                    "a trunk's name cannot be looked up; what is known stays"
                );
            }
        }
    }

    /// Something that the shards have not been told.
    pub fn untold(&self) -> Option<(EgressTrunkId, Arc<[Target]>)> {
        self.untold.iter().find_map(|trunk| Some((*trunk, self.known.get(trunk)?.clone())))
    }

    /// The shards know.
    pub fn told(&mut self, trunk: EgressTrunkId) {
        self.untold.remove(&trunk);
    }

    /// Lookups since the start, those that nobody answered, and names that are served from an older answer or not at all.
    pub fn counters(&self) -> Vec<(String, u64)> {
        let rows =
            [("dns_lookups", self.lookups), ("dns_failures", self.failures), ("dns_stale", self.stale.len() as u64)];
        rows.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
