//! The life of one shard's thread: pinned, pumped, and honest about how it ended.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use shard::{Config, Effects, Shard};
use uring::{Doorbell, Ring, host};

use crate::blocked;
use crate::fast::Standing;
use crate::gate::Gate;
use crate::lag::Lag;
use crate::listen::Listen;
use crate::mail::{Mail, Report};
use crate::pump::Pump;
use crate::seals::SEALS;
use crate::settings::PortRange;
use crate::sockets::Sockets;
use crate::steered::Steered;
use crate::streams::Streams;
use crate::tls::Keys;

/// Everything that a shard's thread takes along.
pub struct CoreThread {
    /// Who the shard is.
    pub config: Config,
    /// Its rings to the other threads.
    pub mail: Mail,
    /// Wakes it.
    pub bell: Doorbell,
    /// Where it hears SIP.
    pub listens: Vec<Listen>,
    /// What its TLS listeners prove themselves with.
    pub keys: Keys,
    /// The balancers before its listeners.
    pub gate: Gate,
    /// Where it hears media: of IPv4, of IPv6.
    pub media: [Option<IpAddr>; 2],
    /// Its media ports.
    pub ports: PortRange,
    /// Whether they share a socket.
    pub steered: Steered,
    /// Where its established media may go.
    pub fast: Standing,
    /// Where a message that broke the shard is kept.
    pub keep: PathBuf,
}

impl CoreThread {
    /// Runs until stopped or broken; says which.
    pub fn run(self, core: usize) {
        let shard = self.config.shard.0;
        let reports = self.mail.reports.clone();
        if let Err(error) = host::pin(core) {
            tracing::warn!(shard, core, %error, "cannot keep the shard on one core");
        }
        let report = match self.pump() {
            Ok(()) => Report::Stopped,
            Err(error) => Report::Broken { shard, reason: format!("{error:#}") },
        };
        // The control thread reads until all shards have ended.
        let _ = reports.blocking_send(report);
    }

    fn pump(self) -> anyhow::Result<()> {
        let mut ring = Ring::new(&uring::Settings::fitting(), self.bell)?.with_arrivals();
        let config = self.config;
        let (number, keep) = (config.shard.0, self.keep);
        let steering = self.steered.steering(number)?;
        let sockets = Sockets::open(&mut ring, &self.listens, self.media, self.ports, steering)?;
        let (mut shard, lane) = (Shard::new(config), self.fast.lane());
        shard.seal_with(SEALS);
        if lane.is_some() {
            shard.use_kernel();
        }
        if self.mail.tape.collects {
            shard.use_collector();
        }
        let mut pump = Pump {
            number,
            ring,
            shard,
            sockets,
            lane,
            gate: self.gate,
            streams: Streams::new(self.listens, self.keys),
            mail: self.mail,
            out: Effects::default(),
            media_heard: 0,
            lag: Lag::default(),
            disk_full: false,
            stop_at: None,
        };
        match catch_unwind(AssertUnwindSafe(|| pump.run())) {
            Ok(outcome) => Ok(outcome?),
            Err(_) => {
                // Its calls' state cannot be trusted any more; the journal can. The next start bills them from there.
                let culprit = Some(pump.shard.reading()).filter(|message| !message.is_empty());
                let kept = culprit.map(|message| blocked::keep(&keep, message));
                pump.mail.flush();
                match kept {
                    Some(Ok(file)) => {
                        anyhow::bail!("panic over a message, which is blocked from now on: {}", file.display())
                    }
                    Some(Err(error)) => anyhow::bail!("panic over a message that could not be kept: {error}"),
                    None => anyhow::bail!("panic"),
                }
            }
        }
    }
}
