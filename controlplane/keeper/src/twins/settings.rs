//! What an operator sets of two servers without a third; the same on both.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// Paths are few; each costs a datagram a beat.
const PATHS_MAX: usize = 8;
/// As paths.
const TIES_MAX: usize = 8;
/// Letters of a secret at least.
const SECRET_MIN: usize = 16;

/// The arbiter of exactly two servers, in the place of etcd.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwinsSettings {
    /// The ways that beats take: of each, both nodes and their addresses on it. Two or more, on cables and switches of their own.
    pub paths: Vec<BTreeMap<u16, IpAddr>>,
    /// The UDP port of beats.
    #[serde(default = "port")]
    pub port: u16,
    /// What proves that a beat is the other's: at least 16 letters, the same on both.
    pub secret: String,
    /// Addresses that answer a server which is not cut off, such as gateways: `10.0.0.254` is asked by ICMP, `10.0.0.254:22` by TCP.
    /// One of them must answer, or this server takes nothing over and fences nobody.
    #[serde(default)]
    pub tie_breakers: Vec<String>,
    /// The command that turns the other server off, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence: Option<FenceSettings>,
    /// The folder of this server's page, made if it is missing. Whoever loses it is told everything by the other.
    #[serde(default = "folder")]
    pub folder: PathBuf,
}

/// A command that turns the other server off.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FenceSettings {
    /// The program and its arguments; the other node's number is put behind them. Exit code 0 says that the other is certainly off.
    pub command: Vec<String>,
    /// Seconds until it is killed and counts as failed; at most a quarter of the take-over.
    #[serde(default = "fence_s")]
    pub seconds: u64,
}

impl Default for FenceSettings {
    fn default() -> FenceSettings {
        FenceSettings { command: vec![], seconds: fence_s() }
    }
}

const fn port() -> u16 {
    4_445
}
/// The folder of a server's page where nothing else is said.
pub fn folder() -> PathBuf {
    PathBuf::from("/var/lib/tandem-keeper/arbiter")
}
const fn fence_s() -> u64 {
    2
}

/// An address that answers who is not cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Asked by ICMP echo.
    Echo(IpAddr),
    /// Asked for a TCP connection; a refusal is an answer too.
    Connect(SocketAddr),
}

impl TwinsSettings {
    /// The usual values.
    pub fn new(paths: Vec<BTreeMap<u16, IpAddr>>, secret: String) -> TwinsSettings {
        TwinsSettings { paths, port: port(), secret, tie_breakers: vec![], fence: None, folder: folder() }
    }

    /// Whether these settings can work between these nodes.
    pub fn check(&self, nodes: [u16; 2], takeover_s: u64) -> Result<()> {
        ensure!((2..=PATHS_MAX).contains(&self.paths.len()), "pair.paths: two paths at least, {PATHS_MAX} at most");
        for path in &self.paths {
            let both = path.len() == 2 && nodes.iter().all(|node| path.contains_key(node));
            ensure!(both, "pair.paths: each names an address of both nodes, {} and {}", nodes[0], nodes[1]);
        }
        ensure!(self.secret.len() >= SECRET_MIN, "pair.secret has at least {SECRET_MIN} letters");
        ensure!(self.tie_breakers.len() <= TIES_MAX, "pair.tie_breakers: at most {TIES_MAX}");
        ensure!(!self.tie_breakers.is_empty(), "pair.tie_breakers: one at least, such as a gateway");
        self.ties()?;
        if let Some(fence) = &self.fence {
            ensure!(!fence.command.is_empty(), "pair.fence.command names no program");
            let most = takeover_s / 4;
            ensure!(
                (1..=most).contains(&fence.seconds),
                "pair.fence.seconds must be 1 to {most}, a quarter of takeover_s: it must be over before the other may go on alone"
            );
        }
        Ok(())
    }

    /// The tie-breakers, read.
    pub fn ties(&self) -> Result<Vec<Tie>> {
        let read = |text: &String| {
            let echo = text.parse().map(Tie::Echo);
            echo.or_else(|_| text.parse().map(Tie::Connect))
                .with_context(|| format!("pair.tie_breakers: {text} is neither IP nor IP:PORT"))
        };
        self.tie_breakers.iter().map(read).collect()
    }
}
