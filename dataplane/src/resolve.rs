//! What egress trunks' host names stand for (RFC 3263): asked again before the answers grow old, kept while nobody answers.

mod lookup;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use rating::Policies;
use shard::{Target, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use units::EgressTrunkId;

use lookup::Lookup;
pub use lookup::Wanted;

/// Answers are believed for this long at least, in seconds, whatever they say.
const BELIEVED_MIN_S: u64 = 30;
/// Answers are believed for this long at most, in seconds.
const BELIEVED_MAX_S: u64 = 3_600;
/// How soon a name that nobody answered for is asked again, in seconds: while an earlier answer serves, and while none does.
const AGAIN_S: (u64, u64) = (30, 5);
/// How long one question to one name server may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of one lookup.
#[derive(Debug)]
pub struct Found {
    /// Whose name it is.
    pub trunk: EgressTrunkId,
    /// What it stands for, or why nobody knows.
    pub targets: anyhow::Result<Vec<Target>>,
}

/// The lookups under way.
pub struct Resolver {
    dns: Option<Arc<TokioResolver>>,
    server: Option<SocketAddr>,
    transports: Arc<[Transport]>,
    tasks: HashMap<EgressTrunkId, (Wanted, JoinHandle<()>)>,
    found: mpsc::Sender<Found>,
    /// Makes what asks name servers.
    make: Make,
    /// Somebody was told that it cannot be made.
    failing: bool,
}

/// What asks that name server, or those of the system.
type Make = fn(Option<SocketAddr>) -> anyhow::Result<TokioResolver>;

impl Resolver {
    /// A resolver that asks this name server, or those of the system; it uses transports that we have listeners of.
    pub fn new(server: Option<SocketAddr>, transports: &[Transport]) -> (Resolver, mpsc::Receiver<Found>) {
        let (found, heard) = mpsc::channel(64);
        let (transports, tasks) = (transports.into(), HashMap::new());
        (Resolver { dns: None, server, transports, tasks, found, make, failing: false }, heard)
    }

    /// Looks up these names from now on, and no others. False if no name server is known so far, as on a machine whose network is not up:
    /// then it is to be called again. Must be called within the runtime.
    pub fn want(&mut self, wanted: &[(EgressTrunkId, Wanted)]) -> bool {
        self.tasks.retain(|trunk, (known, task)| {
            let stays = wanted.iter().any(|(other, wanted)| other == trunk && wanted == known);
            if !stays {
                task.abort();
            }
            stays
        });
        for (trunk, wanted) in wanted {
            if self.tasks.contains_key(trunk) {
                continue;
            }
            let Some(dns) = self.dns() else { return false };
            let work = watch(dns, *trunk, wanted.clone(), self.transports.clone(), self.found.clone());
            self.tasks.insert(*trunk, (wanted.clone(), tokio::spawn(work)));
        }
        true
    }

    /// Made when the first name is wanted: a node without names needs no name server.
    fn dns(&mut self) -> Option<Arc<TokioResolver>> {
        if self.dns.is_none() {
            match (self.make)(self.server) {
                Ok(dns) => self.dns = Some(Arc::new(dns)),
                Err(error) if !self.failing => {
                    self.failing = true;
                    tracing::error!(
                        error = format!("{error:#}"),
                        "names of trunks cannot be looked up; it is tried again"
                    );
                }
                Err(_) => {}
            }
        }
        self.dns.clone()
    }
}

fn make(server: Option<SocketAddr>) -> anyhow::Result<TokioResolver> {
    let mut builder = match server {
        None => TokioResolver::builder_tokio().context("the system's name servers are not known")?,
        Some(server) => {
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                connection.port = server.port();
                connection
            });
            let server = NameServerConfig::new(server.ip(), true, connections.into());
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
    };
    let options = builder.options_mut();
    // We ask only when an answer has grown old: a second memory would only make it older.
    options.cache_size = 0;
    options.timeout = PATIENCE;
    builder.build().context("the name servers cannot be used")
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.tasks.values().for_each(|(_, task)| task.abort());
    }
}

/// The trunks of a snapshot that are found by name.
pub fn wanted(policies: &Policies) -> Vec<(EgressTrunkId, Wanted)> {
    let named = policies.egress_trunks().filter(|(_, rules)| !rules.policy.host.is_empty());
    named.map(|(trunk, rules)| (trunk, Wanted::new(&rules.policy.host, rules.policy.transport))).collect()
}

/// Looks one name up for ever.
async fn watch(
    dns: Arc<TokioResolver>,
    trunk: EgressTrunkId,
    wanted: Wanted,
    ours: Arc<[Transport]>,
    found: mpsc::Sender<Found>,
) {
    let mut known = false;
    loop {
        let mut lookup = Lookup::new(&dns);
        let targets = lookup.targets(&wanted, &ours).await;
        known |= targets.is_ok();
        let wait = if targets.is_ok() { believed(lookup.ttl_s) } else { again(known) };
        if found.send(Found { trunk, targets }).await.is_err() {
            return;
        }
        tokio::time::sleep(wait).await;
    }
}

/// How long after an answer the next question is asked: a tenth before it grows old, within bounds.
fn believed(ttl_s: u32) -> Duration {
    Duration::from_secs((u64::from(ttl_s) * 9 / 10).clamp(BELIEVED_MIN_S, BELIEVED_MAX_S))
}

fn again(known: bool) -> Duration {
    Duration::from_secs(if known { AGAIN_S.0 } else { AGAIN_S.1 })
}
