//! What this node and the others tell each other by etcd. Nothing waits for it: while etcd is away each works on with what it knew.

mod bindings;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use live::{Etcd, Members};
use shard::registrar::Change;
use tokio::sync::mpsc;

use bindings::Outbox;

/// How long a question to one member may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// What was heard and waits for the control thread.
const HEARD_MAX: usize = 64;

/// Where etcd is and who asks.
#[derive(Clone, Debug, Default, Args)]
pub struct Settings {
    /// Members of the etcd by which nodes know each other, such as https://10.0.0.1:2379: where subscribers registered. None: this
    /// node knows of no other.
    #[arg(long, value_name = "URL,…", value_delimiter = ',')]
    pub etcd: Vec<String>,
    /// A file with USER:PASSWORD, where etcd asks for that.
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub etcd_login: Option<PathBuf>,
    /// Who signed the members' certificates (PEM); those that sign for the web if not given.
    #[arg(long, value_name = "FILE", requires = "etcd")]
    pub etcd_ca: Option<PathBuf>,
    /// Our certificate (PEM), where members ask for one.
    #[arg(long, value_name = "FILE", requires = "etcd_key")]
    pub etcd_certificate: Option<PathBuf>,
    /// Its key (PEM).
    #[arg(long, value_name = "FILE", requires = "etcd_certificate")]
    pub etcd_key: Option<PathBuf>,
}

impl Settings {
    /// The way to etcd; `None` if there is no cluster. Asks nobody yet.
    pub fn etcd(&self) -> anyhow::Result<Option<Arc<Etcd>>> {
        if self.etcd.is_empty() {
            return Ok(None);
        }
        let user = self.etcd_login.as_ref().map(|file| {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            let (user, password) = text.trim().split_once(':').context("--etcd-login wants USER:PASSWORD in a file")?;
            anyhow::Ok((user.to_owned(), password.to_owned()))
        });
        let members = Members {
            urls: self.etcd.clone(),
            user: user.transpose()?,
            ca: self.etcd_ca.clone(),
            certificate: self.etcd_certificate.clone().zip(self.etcd_key.clone()),
            patience: PATIENCE,
        };
        Ok(Some(Arc::new(Etcd::new(members)?)))
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
    pub fn start(etcd: Option<Arc<Etcd>>) -> anyhow::Result<Together> {
        let Some(etcd) = etcd else { return Ok(Together::alone()) };
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
