//! The fast path as this program has it: loaded once, handed to the shards' threads, its ways kept true by a thread of its own.

mod lane;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use fastpath::{Attached, Broken, Count, Counts, FastPath, HopId, Hops, Links, Tier};
use panel::wire::FastPathFigures;

use crate::clocks;
use crate::settings::Settings;
pub use lane::Lane;

/// How often every way is asked for again.
const WAYS: Duration = Duration::from_secs(1);

/// Where established media may be relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// XDP in the driver where the interface takes it, tc otherwise.
    Auto,
    /// Only XDP in the driver.
    Xdp,
    /// Only tc.
    Tc,
    /// By sockets only.
    Off,
}

/// The loaded program. The last to let go of it takes it off the interfaces.
pub struct Fast {
    path: FastPath,
    /// Held for a look or a change of a table, never for a question to the kernel: shards join streams by it.
    hops: Mutex<Hops>,
    /// Who asks the kernel for ways.
    asker: OnceLock<Thread>,
    counts: Mutex<Counts>,
    media: [Option<IpAddr>; 2],
    /// What our clock counts from, in nanoseconds of the kernel's.
    epoch_ns: u64,
}

/// The fast path, or why there is none.
#[derive(Clone)]
pub enum Standing {
    /// It stands.
    On(Arc<Fast>),
    /// Sockets relay everything.
    Off {
        /// Why.
        why: String,
    },
}

impl Standing {
    /// Loads the program as wished, and says what came of it. A program without it works all the same.
    pub fn new(settings: &Settings, media: [Option<IpAddr>; 2]) -> Standing {
        let (low, high) = (settings.rtp.low, settings.rtp.high);
        let standing = match load(settings.fast_path, &settings.fast_path_interface, media, (low, high)) {
            Ok((fast, links)) => {
                let fast = Arc::new(fast);
                fast.keep_ways(links);
                Standing::On(fast)
            }
            Err(error) => Standing::Off { why: format!("{error:#}") },
        };
        match &standing {
            Standing::On(fast) => {
                tracing::info!(on = fast.places().join(", "), "established media is relayed in the kernel");
            }
            Standing::Off { why } if matches!(settings.fast_path, Mode::Auto | Mode::Off) => {
                tracing::info!(why, "all media is relayed by sockets");
            }
            Standing::Off { why } => tracing::warn!(why, "all media is relayed by sockets, although more was wished"),
        }
        standing
    }

    /// For whoever watches.
    pub fn figures(&self) -> FastPathFigures {
        match self {
            Standing::On(fast) => fast.figures(),
            Standing::Off { why } => FastPathFigures { tier: "off".into(), why: why.clone(), ..Default::default() },
        }
    }

    /// A shard's handle on it.
    pub fn lane(&self) -> Option<Lane> {
        let Standing::On(fast) = self else { return None };
        match fast.path.flows() {
            Ok(flows) => Some(Lane::new(fast.clone(), flows)),
            Err(error) => {
                tracing::error!(%error, "a shard has no fast path");
                None
            }
        }
    }
}

fn load(
    mode: Mode,
    interfaces: &[String],
    media: [Option<IpAddr>; 2],
    ports: (u16, u16),
) -> anyhow::Result<(Fast, Links)> {
    let mode = match mode {
        Mode::Auto => fastpath::Mode::Auto,
        Mode::Xdp => fastpath::Mode::Xdp,
        Mode::Tc => fastpath::Mode::Tc,
        Mode::Off => anyhow::bail!("it is switched off"),
    };
    let (links, mut found) = (Links::open()?, interfaces.to_vec());
    for address in media.into_iter().flatten() {
        ensure!(!address.is_unspecified(), "media is bound to no certain address");
        if interfaces.is_empty() {
            let name = links.interface_of(address).with_context(|| format!("the interface of {address}"))?;
            found.push(name.with_context(|| format!("no interface but loopback has the media address {address}"))?);
        }
    }
    found.sort();
    found.dedup();
    let wished = fastpath::Settings { mode, interfaces: found, port_low: ports.0, port_high: ports.1 };
    let path = FastPath::load(&wished)?;
    let (hops, counts) = (Mutex::new(path.hops()?), Mutex::new(path.counts()?));
    let epoch_ns = fastpath::now_ns()?.saturating_sub(clocks::ticks());
    Ok((Fast { path, hops, asker: OnceLock::new(), counts, media, epoch_ns }, links))
}

impl Fast {
    fn ways(&self) -> MutexGuard<'_, Hops> {
        self.hops.lock().expect("nobody breaks while holding the ways")
    }

    /// Names the way to a peer; one that is new is asked for at once, by the thread that may wait for it.
    fn way(&self, from: IpAddr, to: IpAddr) -> Option<HopId> {
        let (hop, is_new) = self.ways().find(from, to)?;
        if is_new && let Some(asker) = self.asker.get() {
            asker.unpark();
        }
        Some(hop)
    }

    /// Asks for the ways again and again while anybody has the program.
    fn keep_ways(self: &Arc<Fast>, links: Links) {
        let fast = Arc::downgrade(self);
        match thread::Builder::new().name("ways".into()).spawn(move || ask(&fast, &links)) {
            Ok(asker) => self.asker.set(asker.thread().clone()).expect("ways are kept by one thread"),
            Err(error) => tracing::error!(%error, "ways of the fast path are not kept true"),
        }
    }

    fn end_of(&self, place: usize) -> Option<(IpAddr, IpAddr)> {
        self.ways().ends(place)
    }

    fn learn(&self, links: &Links, place: usize, (from, to): (IpAddr, IpAddr)) -> Result<bool, Broken> {
        let hop = links.way(from, to)?;
        self.ways().learn(place, hop)
    }

    fn places(&self) -> Vec<String> {
        let place = |at: &Attached| format!("{} {}", at.interface, tier(at.tier));
        self.path.attached().iter().map(place).collect()
    }

    fn figures(&self) -> FastPathFigures {
        let counts = self.counts.lock().expect("nobody breaks while holding the counts");
        let count = |what| counts.get(what).unwrap_or(0);
        let all = |wanted| self.path.attached().iter().all(|at| at.tier == wanted);
        let name = match () {
            () if all(Tier::Xdp) => "xdp",
            () if all(Tier::Tc) => "tc",
            () => "xdp and tc",
        };
        let (known, ways) = self.ways().tally();
        FastPathFigures {
            tier: name.into(),
            why: String::new(),
            interfaces: self.places(),
            ways: ways as u32,
            ways_known: known as u32,
            relayed: count(Count::Relayed),
            not_joined: count(Count::NotJoined),
            strangers: count(Count::Stranger),
            not_rtp: count(Count::NotRtp),
            no_way: count(Count::NoHop),
            behind: count(Count::Behind),
        }
    }
}

/// Asks for new ways when woken, and for all of them each second.
fn ask(fast: &Weak<Fast>, links: &Links) {
    let (mut known, mut all_at) = (0, Instant::now());
    loop {
        thread::park_timeout(all_at.saturating_duration_since(Instant::now()));
        let Some(fast) = fast.upgrade() else { return };
        let mut place = known;
        if Instant::now() >= all_at {
            (place, all_at) = (0, Instant::now() + WAYS);
        }
        while let Some(ends) = fast.end_of(place) {
            if let Err(error) = fast.learn(links, place, ends) {
                tracing::error!(%error, "a way of the fast path cannot be asked for");
                break;
            }
            place += 1;
        }
        known = known.max(place);
    }
}

fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Xdp => "xdp",
        Tier::Tc => "tc",
    }
}
