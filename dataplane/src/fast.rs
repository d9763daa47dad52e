//! The fast path as this program has it: loaded once, handed to the shards' threads, its ways kept true by a thread of its own.

mod lane;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use fastpath::{Attached, Count, Counts, FastPath, Hops, Links, Tier};
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
    hops: Mutex<Hops>,
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
            Ok(fast) => Standing::On(Arc::new(fast)),
            Err(error) => Standing::Off { why: format!("{error:#}") },
        };
        match &standing {
            Standing::On(fast) => {
                tracing::info!(on = fast.places().join(", "), "established media is relayed in the kernel");
                fast.keep_ways();
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

fn load(mode: Mode, interfaces: &[String], media: [Option<IpAddr>; 2], ports: (u16, u16)) -> anyhow::Result<Fast> {
    let mode = match mode {
        Mode::Auto => fastpath::Mode::Auto,
        Mode::Xdp => fastpath::Mode::Xdp,
        Mode::Tc => fastpath::Mode::Tc,
        Mode::Off => anyhow::bail!("it is switched off"),
    };
    let mut found = interfaces.to_vec();
    for address in media.into_iter().flatten() {
        ensure!(!address.is_unspecified(), "media is bound to no certain address");
        if interfaces.is_empty() {
            let name = Links::open()?.interface_of(address).with_context(|| format!("the interface of {address}"))?;
            found.push(name.with_context(|| format!("no interface but loopback has the media address {address}"))?);
        }
    }
    found.sort();
    found.dedup();
    let wished = fastpath::Settings { mode, interfaces: found, port_low: ports.0, port_high: ports.1 };
    let path = FastPath::load(&wished)?;
    let (hops, counts) = (Mutex::new(path.hops()?), Mutex::new(path.counts()?));
    let epoch_ns = fastpath::now_ns()?.saturating_sub(clocks::ticks());
    Ok(Fast { path, hops, counts, media, epoch_ns })
}

impl Fast {
    fn ways(&self) -> MutexGuard<'_, Hops> {
        self.hops.lock().expect("nobody breaks while holding the ways")
    }

    /// Asks for the ways again and again while anybody has the program; joins wait for one of them at most.
    fn keep_ways(self: &Arc<Fast>) {
        let fast = Arc::downgrade(self);
        let started = std::thread::Builder::new().name("ways".into()).spawn(move || refresh(&fast));
        if let Err(error) = started {
            tracing::error!(%error, "ways of the fast path are not kept true");
        }
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
        }
    }
}

fn refresh(fast: &Weak<Fast>) {
    loop {
        std::thread::sleep(WAYS);
        let Some(fast) = fast.upgrade() else { return };
        let (_, all) = fast.ways().tally();
        for place in 0..all {
            let asked = fast.ways().refresh_at(place);
            if let Err(error) = asked {
                tracing::error!(%error, "a way of the fast path cannot be asked for");
                break;
            }
        }
    }
}

fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Xdp => "xdp",
        Tier::Tc => "tc",
    }
}
