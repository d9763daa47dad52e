//! What this node and the others tell each other by etcd. Nothing waits for it: while etcd is away each works on with what it knew.

mod bindings;

use std::sync::Arc;
use std::time::Duration;

use live::{Behind, EtcdArguments, Node, Presence};
use shard::Transport;
use shard::registrar::Change;
use tokio::sync::mpsc;

use crate::listen::Listen;
use bindings::Outbox;

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
        ..Node::default()
    }
}

/// What the other nodes said.
#[derive(Debug)]
pub enum Heard {
    /// Subscribers registered with them.
    Bindings(Arc<[Change]>),
}

/// The ways to the other nodes and back.
#[derive(Debug)]
pub struct Together {
    outbox: Option<std::sync::mpsc::Sender<bindings::Told>>,
    heard: mpsc::Receiver<Heard>,
    /// What the others know of this node.
    presence: Option<Presence>,
    /// Keeps the way back open for a node that is alone.
    _own: Option<mpsc::Sender<Heard>>,
}

impl Together {
    /// A node that knows of no other.
    pub fn alone() -> Together {
        let (own, heard) = mpsc::channel(1);
        Together { outbox: None, heard, presence: None, _own: Some(own) }
    }

    /// Begins to tell and to listen, by threads that end with the process.
    pub fn start(settings: &EtcdArguments, node: Node) -> anyhow::Result<Together> {
        let Some(etcd) = settings.open(PATIENCE)? else { return Ok(Together::alone()) };
        let (heard_in, heard) = mpsc::channel(HEARD_MAX);
        bindings::listen(etcd.clone(), heard_in);
        Ok(Together {
            outbox: Some(Outbox::start(etcd.clone())?),
            heard,
            presence: Some(Presence::start(etcd, node, LIVES_S)),
            _own: None,
        })
    }

    /// Is there anybody to tell?
    pub fn has_others(&self) -> bool {
        self.presence.is_some()
    }

    /// Tells the others how many calls run here, and whether new ones are taken.
    pub fn stand(&self, calls: u32, leaving: bool) {
        if let Some(presence) = &self.presence {
            presence.update(|node| (node.calls, node.leaving) = (calls, leaving));
        }
    }

    /// Tells the others of a binding that changed here.
    pub fn tell(&self, change: &Change) {
        if let (Some(outbox), Some(told)) = (&self.outbox, bindings::Told::of(crate::clocks::read(), change)) {
            // Its thread lives as long as this sender.
            let _ = outbox.send(told);
        }
    }

    /// What comes next.
    pub async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            None => std::future::pending().await,
        }
    }
}
