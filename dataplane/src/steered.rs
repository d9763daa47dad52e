//! Whether media ports share one socket a shard or have one each: decided once, at the start.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, ensure};
use clap::ValueEnum;
use fastpath::{SHARDS_MAX, Steer, Steering};
use panel::wire::MediaSocketsFigures;
use uring::RawSocket;

use crate::ceiling::Ceiling;
use crate::settings::Settings;

/// How media ports are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MediaSockets {
    /// Shared where the rights allow it and media is not bound to loopback.
    Auto,
    /// One socket a shard for all of its ports.
    Shared,
    /// A socket for each port.
    PerPort,
}

/// What came of the wish.
#[derive(Clone)]
pub enum Steered {
    /// Ports share sockets while the program lives.
    On(Arc<Steer>),
    /// Each port has a socket.
    Off {
        /// Why.
        why: String,
    },
}

impl Steered {
    /// Loads the program that steers, if it is wished and allowed, and says what came of it.
    pub fn new(settings: &Settings, media: [Option<IpAddr>; 2], shards: u16) -> Steered {
        let steered = match load(settings.media_sockets, media, shards) {
            Ok(steer) => Steered::On(Arc::new(steer)),
            Err(error) => Steered::Off { why: format!("{error:#}") },
        };
        match &steered {
            Steered::On(_) => tracing::info!("media ports share one socket a shard"),
            Steered::Off { why } if settings.media_sockets == MediaSockets::Shared => {
                tracing::warn!(why, "each media port has a socket, although sharing was wished");
            }
            Steered::Off { why } => tracing::info!(why, "each media port has a socket"),
        }
        steered
    }

    /// True where ports share sockets.
    pub fn is_on(&self) -> bool {
        matches!(self, Steered::On(_))
    }

    /// For whoever watches.
    pub fn figures(&self, ceiling: &Ceiling) -> MediaSocketsFigures {
        let why = match self {
            Steered::On(_) => String::new(),
            Steered::Off { why } => why.clone(),
        };
        let (calls_max, by) = ceiling.calls();
        MediaSocketsFigures { shared: self.is_on(), why, calls_max, calls_max_by: by.into() }
    }

    /// A shard's handle on the program, where ports share sockets.
    pub fn steering(&self, shard: u16) -> anyhow::Result<Option<Steering>> {
        match self {
            Steered::On(steer) => Ok(Some(steer.steering(shard).context("the tables that steer media")?)),
            Steered::Off { .. } => Ok(None),
        }
    }
}

fn load(wish: MediaSockets, media: [Option<IpAddr>; 2], shards: u16) -> anyhow::Result<Steer> {
    ensure!(wish != MediaSockets::PerPort, "it is wished so");
    ensure!(shards <= SHARDS_MAX, "more than {SHARDS_MAX} shards");
    for address in media.into_iter().flatten() {
        ensure!(!address.is_unspecified(), "media is bound to no certain address");
        // There other programs of the kind are at home, demos and tests.
        ensure!(wish == MediaSockets::Shared || !address.is_loopback(), "media is bound to loopback");
        RawSocket::open(address.is_ipv6(), 0).context("raw sockets need the right CAP_NET_RAW")?;
    }
    Ok(Steer::load(media)?)
}
