//! What this node and the others tell each other by etcd. Nothing waits for it: while etcd is away each works on with what it knew.

mod bindings;

use std::sync::Arc;
use std::time::Duration;

use live::EtcdArguments;
use shard::registrar::Change;
use tokio::sync::mpsc;

use bindings::Outbox;

/// How long a question to one member may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What was heard and waits for the control thread.
const HEARD_MAX: usize = 64;

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
    /// Keeps the way back open for a node that is alone.
    _own: Option<mpsc::Sender<Heard>>,
}

impl Together {
    /// A node that knows of no other.
    pub fn alone() -> Together {
        let (own, heard) = mpsc::channel(1);
        Together { outbox: None, heard, _own: Some(own) }
    }

    /// Begins to tell and to listen, by threads that end with the process.
    pub fn start(settings: &EtcdArguments) -> anyhow::Result<Together> {
        let Some(etcd) = settings.open(PATIENCE)? else { return Ok(Together::alone()) };
        let (heard_in, heard) = mpsc::channel(HEARD_MAX);
        bindings::listen(etcd.clone(), heard_in);
        Ok(Together { outbox: Some(Outbox::start(etcd)?), heard, _own: None })
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
