//! What a switch wants of a host: numbers that operators may change.

use clap::ValueEnum;
use serde::Serialize;

/// What kind of host this is meant to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// A developer's machine or a demo: a hundred calls, nothing at stake.
    Lab,
    /// A virtual machine in production.
    Vm,
    /// A machine of one's own in production.
    Metal,
    /// A rented virtual machine in production.
    Cloud,
}

panel::settings! {
    /// The numbers that the checks compare with.
    pub struct Wants {
        /// Concurrent calls that the host must carry.
        calls_max: u32 = 1_000, 1..=1_000_000;
        /// Descriptors besides those of media ports.
        descriptors_spare: u32 = 512, 0..=1_000_000;
        /// Memory that may be locked, in MiB, when the process has no CAP_IPC_LOCK.
        memlock_mib: u32 = 64, 1..=65_536;
        /// Socket buffer that a process may ask for, in MiB.
        socket_buffer_mib: u32 = 16, 1..=1_024;
        /// Receive buffer of a socket that asks for none, in KiB.
        rmem_default_kib: u32 = 208, 1..=65_536;
        /// Memory of all UDP sockets together, in MiB.
        udp_mem_mib: u32 = 128, 1..=65_536;
        /// Packets that may wait for a busy core.
        backlog: u32 = 16_384, 1..=1_000_000;
        /// Packets that the kernel may take from a card in one round.
        budget: u32 = 600, 1..=10_000;
        /// Shards; 0 means one a core.
        shards: u32 = 0, 0..=64;
        /// How long a card may wait before it tells of a packet, in microseconds.
        rx_us: u32 = 25, 0..=1_000;
        /// Share of a card's interrupts that one of several queues may have, per cent.
        queue_percent: u32 = 60, 1..=100;
        /// How long a sleeping core may take to wake, in microseconds.
        wake_us: u32 = 10, 0..=10_000;
        /// Share of its time that the hypervisor may take from this machine, per cent.
        steal_percent: u32 = 1, 1..=100;
        /// How far the clock may be off, in milliseconds.
        clock_ms: u32 = 10, 1..=60_000;
        /// Lines that the log must take from a service in its interval.
        log_burst: u32 = 100_000, 1..=10_000_000;
        /// Time of a connection to the database, in milliseconds.
        database_ms: u32 = 1, 1..=1_000;
        /// Share of the connection tracking table in use, per cent, from which calls are in danger.
        conntrack_percent: u32 = 80, 1..=100;
        /// Rules of the packet filter, all of them.
        filter_rules: u32 = 100, 0..=1_000_000;
        /// Readiness of the kernel to swap.
        swappiness: u32 = 10, 0..=200;
        /// Free space for the journal, in MiB.
        disk_free_mib: u32 = 5_120, 1..=10_000_000;
        /// Free share of the journal's file system, per cent.
        disk_free_percent: u32 = 10, 1..=99;
        /// Median time of a small write with fdatasync, in milliseconds.
        fsync_ms: u32 = 5, 1..=10_000;
        /// How long counters are watched, in milliseconds.
        watch_ms: u32 = 1_000, 0..=60_000;
    }
}

impl Wants {
    /// The numbers of a profile before any `--set`.
    pub fn of(profile: Profile) -> Wants {
        let plain = Wants::default();
        match profile {
            Profile::Lab => Wants {
                calls_max: 100,
                socket_buffer_mib: 1,
                udp_mem_mib: 16,
                backlog: 1_000,
                budget: 300,
                disk_free_mib: 512,
                fsync_ms: 20,
                ..plain
            },
            Profile::Vm => Wants { calls_max: 2_000, ..plain },
            Profile::Metal => Wants { calls_max: 5_000, ..plain },
            Profile::Cloud => Wants { calls_max: 2_000, fsync_ms: 10, steal_percent: 2, ..plain },
        }
    }
}

/// Reads `LOW-HIGH`.
pub fn ports(text: &str) -> Result<(u16, u16), String> {
    let both = text.split_once('-').and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    match both {
        Some((low, high)) if low < high => Ok((low, high)),
        _ => Err("write the first and the last port as 10000-29999".into()),
    }
}
