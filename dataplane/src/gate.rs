//! The listeners that balancers stand before: what comes by them, and what goes to peers through them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, ensure};
use shard::Hop;
use shard::behind::{Behind, Key, Way, unwrap, wrap};

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
    scratch: Vec<u8>,
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
        Ok(Gate { key, fronts, scratch: Vec::new() })
    }

    /// What the shards know of balancers.
    pub fn behind(&self) -> Behind {
        let balancers = self.fronts.iter().flatten().flat_map(|front| front.balancers.iter().copied()).collect();
        Behind { key: self.key.clone(), balancers }
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
