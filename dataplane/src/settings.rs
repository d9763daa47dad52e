//! What the program is told at its start.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, ensure};
use cdr::recover::Crash;
use clap::{Parser, ValueEnum};
use shard::Transport;

use crate::fast::Mode;
use crate::listen::Listen;
use crate::steered::MediaSockets;
use crate::tuned::HostProfile;

/// Moves calls: SIP and media in, decisions from the snapshot, records to the journal. Needs neither database nor control plane.
#[derive(Clone, Debug, Parser)]
#[command(name = "tandem-dataplane", version)]
pub struct Settings {
    /// What this process does.
    #[arg(long, value_enum, value_name = "ROLE", default_value_t = Role::Core)]
    pub role: Role,
    /// As a balancer: where cores know us, and hear from us.
    #[arg(long, value_name = "ADDR:PORT", required_if_eq("role", "balancer"))]
    pub inside: Option<SocketAddr>,
    /// As a balancer: the cores at the start, each with the share of calls that it gets against the others, 1 to 100. With --etcd cores
    /// that name this balancer come and go by themselves.
    #[arg(long, value_name = "ADDR:PORT[/SHARE],…", value_delimiter = ',')]
    pub cores: Vec<CoreAt>,
    /// The data folder: snapshots, journal, traces, control socket.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where SIP peers reach us over UDP and TCP: short for `--listen udp:… --listen tcp:…`. Port 0 takes one that is free.
    #[arg(long, value_name = "ADDR:PORT", required_unless_present = "listen")]
    pub sip: Option<SocketAddr>,
    /// A listener, up to 16: udp:ADDR:PORT, tcp:ADDR:PORT or tls:ADDR:PORT, IPv6 in brackets, then options after commas:
    /// name=NAME (trunks choose it by that), advertise=IP (what peers are told, behind NAT), shared=yes (another machine may have the
    /// address: it is heard when it comes, and trunks are registered by it only meanwhile; UDP), and for TLS cert=FILE,key=FILE
    /// (PEM), ca=FILE (whom we believe), verify=no (peers that we connect to need no proof), mutual=yes (peers that connect
    /// to us need one). SIGHUP reads the files again. behind=ADDR:PORT is what peers know where balancers stand before a UDP
    /// listener, balancer=ADDR:PORT one of these, repeated for each: they alone are heard there.
    #[arg(long, value_name = "TRANSPORT:ADDR:PORT,…")]
    pub listen: Vec<Listen>,
    /// A file with the secret, 32 bytes or more, that this node shares with the balancers before it, and with other nodes: by it they hand
    /// each other what is for subscribers' connections.
    #[arg(long, value_name = "FILE")]
    pub balancer_key: Option<PathBuf>,
    /// Seconds after which a silent TCP or TLS connection of a known peer is closed, 10 to 86400.
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub stream_idle: u32,
    /// Our media address, once for IPv4 and once for IPv6; the first listener's of the family if not given.
    #[arg(long, value_name = "ADDR")]
    pub media: Vec<IpAddr>,
    /// The address in our SDP where it is not the one that is bound (behind NAT), once for IPv4 and once for IPv6.
    #[arg(long, value_name = "ADDR")]
    pub media_advertise: Vec<IpAddr>,
    /// The name server that trunks' host names are asked of; those of the system if not given.
    #[arg(long, value_name = "ADDR:PORT")]
    pub dns: Option<SocketAddr>,
    /// Calls of one caller's number to one destination that may wait for their answer in a shard, of those of the last second; more are a
    /// loop and refused with 482. 0: no limit.
    #[arg(long, value_name = "N", default_value_t = 250)]
    pub pair_waiting: u16,
    /// Media ports, both included. A call has four; those of a call that ended rest for five seconds, or one where no other is left.
    #[arg(long, value_name = "LOW-HIGH", default_value = "10000-29999")]
    pub rtp: PortRange,
    /// Where established media is relayed: xdp in the driver, tc behind it, off for sockets only, auto for the best that there is.
    /// Both need the rights CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or root.
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Mode::Auto)]
    pub fast_path: Mode,
    /// An interface that media comes in by, once for each, of a VLAN its parent; that of the media address if not given.
    #[arg(long, value_name = "NAME")]
    pub fast_path_interface: Vec<String>,
    /// How media ports are heard: shared lets all ports of a shard have one socket, for fewer cycles a packet and no descriptor a
    /// port, which takes the rights CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW, or root; per-port is a socket each; auto is shared where
    /// that is allowed, but not on loopback.
    #[arg(long, value_name = "HOW", value_enum, default_value_t = MediaSockets::Auto)]
    pub media_sockets: MediaSockets,
    /// One shard a core; more shards than cores share them. All cores if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub shards: Option<u16>,
    /// This machine's number in the cluster.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub node: u16,
    /// When a record counts as kept: written survives the end of this program, fdatasync also the loss of power.
    #[arg(long, value_enum, default_value_t = JournalSync::Written)]
    pub journal_sync: JournalSync,
    /// What a call pays that a crash cut: until its shard's last mark, so that a second of talk may be written off (and is logged),
    /// or its whole paid slice.
    #[arg(long, value_enum, default_value_t = CrashBilling::Mark)]
    pub crash_billing: CrashBilling,
    /// Calls whose messages are captured for their ladder, per cent.
    #[arg(long, value_name = "PERCENT", default_value_t = 100, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub trace_percent: u8,
    /// A collector of Homer's kind that hears SIP, RTCP and media reports of all calls by HEP3 over UDP; nobody if not given.
    #[arg(long, value_name = "ADDR:PORT")]
    pub hep: Option<SocketAddr>,
    /// Bytes that the capture of one call may have; what comes later is left out.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20, value_parser = clap::value_parser!(u64).range(1 << 16..=1 << 32))]
    pub capture_call_bytes: u64,
    /// Bytes that all captures together may have; the oldest are removed.
    #[arg(long, value_name = "BYTES", default_value_t = 10 << 30, value_parser = clap::value_parser!(u64).range(1 << 20..))]
    pub capture_bytes: u64,
    /// Days after which captures are removed, 1 to 3650.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub capture_days: u32,
    /// Bytes that the recording of one call may have, 32,000 a second; what comes later is left out.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30, value_parser = clap::value_parser!(u64).range(1 << 16..=(1 << 32) - 1))]
    pub recording_call_bytes: u64,
    /// Bytes that all recordings together may have; the oldest are removed.
    #[arg(long, value_name = "BYTES", default_value_t = 50 << 30, value_parser = clap::value_parser!(u64).range(1 << 20..))]
    pub recording_bytes: u64,
    /// Days after which recordings are removed, 1 to 3650.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub recording_days: u32,
    /// Where nodes tell of themselves and are heard of: subscribers that registered with another are called from here too.
    #[command(flatten)]
    pub together: live::EtcdArguments,
    /// What a node that etcd has not answered for ten seconds may use of limits that nodes share: an even part, so that calls go on (of
    /// a limit that others share on without it, a node that is cut off may then use its part too much), or nothing.
    #[arg(long, value_enum, value_name = "SHARE", default_value_t = LimitsAlone::Part)]
    pub limits_alone: LimitsAlone,
    /// What kind of host this is meant to be. At the start tandem-tune looks at it: in a lab what it lacks is only said; elsewhere
    /// something fatal refuses the start.
    #[arg(long, value_enum, value_name = "KIND", default_value_t = HostProfile::Lab)]
    pub host_profile: HostProfile,
    /// Start although something fatal was found on this host.
    #[arg(long)]
    pub i_know: bool,
    /// What to log: error, warn, info, debug, trace, or a filter by module.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    pub log: String,
}

impl Settings {
    /// All listeners: `--sip` first, then as given.
    pub fn listens(&self) -> Vec<Listen> {
        let short = |sip| [Transport::Udp, Transport::Tcp].map(|transport| Listen::new(transport, sip));
        self.sip.into_iter().flat_map(short).chain(self.listen.iter().cloned()).collect()
    }
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Carries calls.
    Core,
    /// Stands before cores at one address and chooses one for each call; has no calls, media or records of its own.
    Balancer,
}

/// A core, as operators write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreAt {
    /// Where its listener behind balancers is bound.
    pub at: SocketAddr,
    /// Its share.
    pub weight: u8,
}

impl std::str::FromStr for CoreAt {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<CoreAt> {
        let (at, weight) = text.split_once('/').unwrap_or((text, "1"));
        let at = at.parse().with_context(|| format!("{at} is not ADDR:PORT (IPv6 as [ADDR]:PORT)"))?;
        let weight = weight.parse().ok().filter(|weight| (1..=balance::cores::WEIGHT_MAX).contains(weight));
        Ok(CoreAt { at, weight: weight.with_context(|| format!("{text}: a share is 1 to 100"))? })
    }
}

/// What a node that hears nothing of the others may use of limits that it shares with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LimitsAlone {
    /// The limit divided by the nodes that it knew last.
    Part,
    /// No new limited calls.
    Nothing,
}

/// When a journal record counts as kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JournalSync {
    /// Handed to the kernel.
    Written,
    /// On the disk.
    Fdatasync,
}

/// What a call pays that a crash cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CrashBilling {
    /// What it talked until the last mark.
    Mark,
    /// What it had reserved.
    Paid,
}

impl From<CrashBilling> for Crash {
    fn from(billing: CrashBilling) -> Crash {
        match billing {
            CrashBilling::Mark => Crash::AtMark,
            CrashBilling::Paid => Crash::AtPaidTime,
        }
    }
}

/// A range of ports, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first; even.
    pub low: u16,
    /// The last; odd.
    pub high: u16,
}

impl std::str::FromStr for PortRange {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<PortRange> {
        let (low, high) = text.split_once('-').context("write the range as LOW-HIGH")?;
        let (low, high): (u16, u16) = (low.trim().parse()?, high.trim().parse()?);
        ensure!(low >= 1_024 && low < high, "ports run from 1024 up, the lower first");
        Ok(PortRange { low: low.next_multiple_of(2), high: if high % 2 == 0 { high - 1 } else { high } })
    }
}

impl PortRange {
    /// This shard's equal part, beginning even.
    pub fn part(self, shard: u16, shards: u16) -> PortRange {
        let pairs = (u32::from(self.high) + 1 - u32::from(self.low)) / 2;
        let each = pairs / u32::from(shards);
        let low = u32::from(self.low) + 2 * each * u32::from(shard);
        PortRange { low: low as u16, high: (low + 2 * each).saturating_sub(1) as u16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_ports_without_overlap() {
        let range: PortRange = "20001-39999".parse().unwrap();
        assert_eq!(range, PortRange { low: 20_002, high: 39_999 });
        let parts: Vec<PortRange> = (0..3).map(|shard| range.part(shard, 3)).collect();
        assert!(parts.iter().all(|part| part.low % 2 == 0 && part.high % 2 == 1));
        assert!(parts.windows(2).all(|pair| pair[0].high + 1 == pair[1].low));
        assert!(parts[2].high <= range.high);
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        for text in ["", "20000", "30000-20000", "80-90", "20000-70000"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }
}
