//! The listeners that balancers stand before: what comes by them, and what goes to peers through them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use shard::behind::{Behind, Key, Way, unwrap, wrap};
use shard::{Hop, Transport};

use crate::listen::Listen;

/// The least length of a secret in bytes.
const SECRET_BYTES_MIN: usize = 32;

/// Reads what balancers and cores share. Blanks around it do not count.
pub fn read_key(file: &Path) -> anyhow::Result<Key> {
    let secret = std::fs::read(file).with_context(|| format!("cannot read the balancer key {}", file.display()))?;
    let secret = secret.trim_ascii();
    ensure!(secret.len() >= SECRET_BYTES_MIN, "{} has less than {SECRET_BYTES_MIN} bytes", file.display());
    Ok(Key::of(secret))
}

/// The balancers before one listener.
#[derive(Clone, Debug)]
struct Front {
    balancers: Vec<SocketAddr>,
    /// Which of them speaks for peers: the one that did so last, whichever shard heard it.
    speaks: Arc<AtomicUsize>,
}

/// All listeners' balancers; each shard has a copy and knows what the others heard.
#[derive(Clone, Debug)]
pub struct Gate {
    key: Option<Key>,
    fronts: Vec<Option<Front>>,
    /// The listener by which nodes with the same key speak to each other, and where that is.
    across: Option<(u8, SocketAddr)>,
    scratch: Vec<u8>,
}

/// The name of the listener for other nodes, where it is not the first one that will do.
const NODES: &str = "nodes";

/// A listener of this machine alone that hears datagrams of anybody: one of the name for it, or the first.
fn for_nodes(listens: &[Listen]) -> Option<(u8, SocketAddr)> {
    let own = |listen: &Listen| listen.transport == Transport::Udp && listen.front.is_none() && !listen.shared;
    let named = listens.iter().position(|listen| own(listen) && listen.name == NODES);
    let place = named.or_else(|| listens.iter().position(own))?;
    Some((u8::try_from(place).ok()?, listens[place].advertised()))
}

impl Gate {
    /// Of these listeners.
    pub fn new(listens: &[Listen], key: Option<Key>) -> anyhow::Result<Gate> {
        let front = |listen: &Listen| {
            let balancers = listen.front.as_ref()?.balancers.clone();
            Some(Front { balancers, speaks: Arc::default() })
        };
        let fronts: Vec<_> = listens.iter().map(front).collect();
        ensure!(key.is_some() || fronts.iter().all(Option::is_none), "behind= needs --balancer-key FILE");
        let across = key.as_ref().and_then(|_| for_nodes(listens));
        Ok(Gate { key, fronts, across, scratch: Vec::new() })
    }

    /// Where this node takes what another one hands it.
    pub fn across(&self) -> Option<SocketAddr> {
        self.across.map(|(_, at)| at)
    }

    /// What the shards know of balancers.
    pub fn behind(&self) -> Behind {
        let balancers = self.fronts.iter().flatten().flat_map(|front| front.balancers.iter().copied()).collect();
        Behind { key: self.key.clone(), balancers, across: self.across }
    }

    /// Who said what came to a listener, and what it is; `None` where balancers stand and none of them vouches for it.
    pub fn hear<'m>(&self, listener: u8, from: SocketAddr, room: &'m mut [u8]) -> Option<(SocketAddr, &'m [u8])> {
        let (Some(Some(front)), Some(key)) = (self.fronts.get(usize::from(listener)), &self.key) else {
            return Some((from, room));
        };
        let place = front.balancers.iter().position(|balancer| *balancer == from)?;
        match unwrap(key, Way::Inward, room) {
            Some((peer, cut)) => {
                front.speaks.store(place, Ordering::Relaxed);
                Some((peer, &room[cut..]))
            }
            // A balancer's own question; whoever else it is for, it stands for nobody.
            None => Some((from, room)),
        }
    }

    /// Where a datagram goes, and as what; `None` if it could not be given to a balancer.
    pub fn say<'m>(&'m mut self, to: Hop, message: &'m [u8]) -> Option<(SocketAddr, &'m [u8])> {
        let (Some(Some(front)), Some(key)) = (self.fronts.get(usize::from(to.listener)), &self.key) else {
            return Some((to.remote, message));
        };
        if front.balancers.contains(&to.remote) {
            return Some((to.remote, message));
        }
        self.scratch.clear();
        let balancer = front.balancers.get(front.speaks.load(Ordering::Relaxed))?;
        wrap(key, Way::Outward, to.remote, message, &mut self.scratch).then_some((*balancer, &self.scratch))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a surprise ends the test")]
mod tests {
    use super::*;

    #[test]
    fn nodes_speak_by_a_listener_that_is_this_machine_s_alone() {
        let place = |texts: &[&str]| {
            let listens: Vec<Listen> = texts.iter().map(|text| text.parse().unwrap()).collect();
            let place = for_nodes(&listens).map(|(place, at)| (place, at.to_string()));
            let gate = Gate::new(&listens, Some(Key::of(b"secret"))).unwrap();
            assert_eq!(gate.across().map(|at| at.to_string()), place.as_ref().map(|(_, at)| at.clone()));
            place
        };
        let (front, shared) =
            ("udp:10.0.0.1:5062,behind=192.0.2.1:5060,balancer=10.0.0.9:5070", "udp:192.0.2.1:5060,shared=yes");
        assert_eq!(place(&[front, shared, "tcp:10.0.0.1:5060"]), None);
        assert_eq!(place(&[front, "udp:10.0.0.1:5060"]), Some((1, "10.0.0.1:5060".into())));
        assert_eq!(place(&["udp:192.0.2.2:5060", "udp:10.0.0.1:5070,name=nodes"]), Some((1, "10.0.0.1:5070".into())));
        let alone = Gate::new(&["udp:10.0.0.1:5060".parse().unwrap()], None).unwrap();
        assert_eq!(alone.across(), None, "without a key nobody is believed");
    }
}
