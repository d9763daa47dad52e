//! The table of checks: what each asks, why, how to mend it.

mod kernel;
mod network;
mod place;
mod resources;

use serde::Serialize;

use Severity::{Fatal, Warn};

use crate::host::Host;
use crate::wants::{Profile, Wants};

/// How bad it is when a check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Calls or money are in danger: do not go into production like this.
    Fatal,
    /// It costs quality or headroom.
    Warn,
}

/// What was found, beside what was wanted.
pub struct Found {
    /// What would be right.
    pub want: String,
    /// What is there.
    pub found: String,
    /// Whether that is right; `None` where the question makes no sense.
    pub ok: Option<bool>,
    /// Worse or milder than the check's own severity.
    pub severity: Option<Severity>,
}

impl Found {
    /// Wanted, found, and whether that is right.
    pub fn compared(want: impl Into<String>, found: impl Into<String>, ok: bool) -> Found {
        Found { want: want.into(), found: found.into(), ok: Some(ok), severity: None }
    }

    /// The question makes no sense here, for this reason.
    pub fn not_applicable(want: impl Into<String>, reason: impl Into<String>) -> Found {
        Found { want: want.into(), found: reason.into(), ok: None, severity: None }
    }

    fn at(self, severity: Severity) -> Found {
        Found { severity: Some(severity), ..self }
    }
}

/// What a check may look at.
pub struct Sight<'a> {
    /// The host.
    pub host: &'a Host,
    /// The numbers to compare with.
    pub wants: &'a Wants,
    /// First and last media port.
    pub rtp: (u16, u16),
    /// What kind of host this is meant to be.
    pub profile: Profile,
}

/// One row of the table.
pub struct Check {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it asks, in a line.
    pub asks: &'static str,
    /// Why it matters to a switch.
    pub why: &'static str,
    /// What to do about it.
    pub mend: &'static str,
    /// How bad a failure is in production.
    pub severity: Severity,
    /// How bad it is in a lab.
    pub in_a_lab: Severity,
    look: fn(&Sight) -> Found,
}

/// What one check said.
#[derive(Serialize)]
pub struct Verdict {
    /// The check's name.
    pub check: &'static str,
    /// What would be right.
    pub want: String,
    /// What is there.
    pub found: String,
    /// How bad a failure is.
    pub severity: Severity,
    /// Whether it is right; `None` where the question makes no sense.
    pub ok: Option<bool>,
}

impl Verdict {
    /// A fatal check failed.
    pub fn is_fatal(&self) -> bool {
        self.ok == Some(false) && self.severity == Fatal
    }
}

impl Check {
    /// Asks the host.
    pub fn ask(&self, host: &Host, wants: &Wants, rtp: (u16, u16), profile: Profile) -> Verdict {
        let Found { want, found, ok, severity } = (self.look)(&Sight { host, wants, rtp, profile });
        let usual = if profile == Profile::Lab { self.in_a_lab } else { self.severity };
        Verdict { check: self.name, want, found, severity: severity.unwrap_or(usual), ok }
    }
}

/// Every check, in the order of the report.
pub const CHECKS: &[Check] = &[
    Check {
        name: "kernel",
        asks: "is the kernel 6.1 or later?",
        why: "The data plane uses multishot receive into provided buffers and deferred task running, which are complete from Linux 6.1 on.",
        mend: "Install a later kernel: Debian 12 and Ubuntu 24.04 have one.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: kernel::version,
    },
    Check {
        name: "io-uring",
        asks: "may processes use io_uring?",
        why: "Every packet goes through io_uring; a kernel that refuses it cannot run the data plane.",
        mend: "sysctl -w kernel.io_uring_disabled=0; in a container also allow io_uring in its seccomp profile.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: kernel::io_uring,
    },
    Check {
        name: "memlock",
        asks: "may the process lock enough memory?",
        why: "Rings and buffers are pinned; at the limit the data plane would start with fewer of them or not at all.",
        mend: "LimitMEMLOCK=infinity in the service's unit, or `ulimit -l unlimited` in the shell that starts it.",
        severity: Fatal,
        in_a_lab: Warn,
        look: resources::memlock,
    },
    Check {
        name: "nofile",
        asks: "are there enough descriptors for the media ports?",
        why: "A call has two legs with RTP and RTCP: four sockets. Out of descriptors, calls are refused.",
        mend: "LimitNOFILE=1048576 in the service's unit, or `ulimit -n` in the shell that starts it.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: resources::nofile,
    },
    Check {
        name: "rtp-range",
        asks: "are there enough media ports?",
        why: "A call needs four ports on one media address; without them it is refused.",
        mend: "Widen --rtp LOW-HIGH, or give the node more media addresses.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: network::rtp_range,
    },
    Check {
        name: "rtp-reserved",
        asks: "can other sockets steal media ports?",
        why: "The kernel gives ports of ip_local_port_range to any socket that asks for any port; a media port that is taken cannot be opened for a call.",
        mend: "sysctl -w net.ipv4.ip_local_reserved_ports=LOW-HIGH, or choose media ports outside ip_local_port_range.",
        severity: Fatal,
        in_a_lab: Warn,
        look: network::rtp_reserved,
    },
    Check {
        name: "rmem-max",
        asks: "may a socket's receive buffer be large enough for a burst?",
        why: "SIP of all carriers of a shard comes in on one socket; a burst beyond its buffer is lost and comes again after 500 ms.",
        mend: "sysctl -w net.core.rmem_max=16777216",
        severity: Warn,
        in_a_lab: Warn,
        look: network::rmem_max,
    },
    Check {
        name: "wmem-max",
        asks: "may a socket's send buffer be large enough for a burst?",
        why: "What does not fit is refused by the kernel and must be sent again.",
        mend: "sysctl -w net.core.wmem_max=16777216",
        severity: Warn,
        in_a_lab: Warn,
        look: network::wmem_max,
    },
    Check {
        name: "rcvbuf-errors",
        asks: "does the kernel drop datagrams at full buffers now?",
        why: "Each of them is a lost piece of speech or a late SIP message.",
        mend: "Raise net.core.rmem_max; look for a core at 100 % (`top`, then 1).",
        severity: Warn,
        in_a_lab: Warn,
        look: network::receive_drops,
    },
    Check {
        name: "conntrack",
        asks: "does the kernel track each media flow as a connection?",
        why: "Each packet pays for a lookup, and a full table drops the packets of new calls.",
        mend: "Unload nf_conntrack, or exempt SIP and RTP: nft add rule inet raw prerouting udp dport LOW-HIGH notrack.",
        severity: Warn,
        in_a_lab: Warn,
        look: network::conntrack,
    },
    Check {
        name: "conntrack-sip",
        asks: "does the kernel's SIP helper rewrite messages?",
        why: "nf_conntrack_sip changes addresses inside SIP and SDP behind the switch's back: one-way audio.",
        mend: "rmmod nf_nat_sip nf_conntrack_sip, and blacklist them in /etc/modprobe.d.",
        severity: Warn,
        in_a_lab: Warn,
        look: network::conntrack_sip,
    },
    Check {
        name: "governor",
        asks: "do the processors run at full clock?",
        why: "A clock that rises only under load adds its ramp to the latency of the first packets.",
        mend: "cpupower frequency-set -g performance",
        severity: Warn,
        in_a_lab: Warn,
        look: resources::governor,
    },
    Check {
        name: "thp",
        asks: "does the kernel merge pages behind the process's back?",
        why: "Transparent huge pages for everyone stall a shard for milliseconds while the kernel compacts memory.",
        mend: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
        severity: Warn,
        in_a_lab: Warn,
        look: resources::huge_pages,
    },
    Check {
        name: "swappiness",
        asks: "would the kernel rather swap than drop file pages?",
        why: "A shard whose table must come back from disk is late for thousands of packets.",
        mend: "sysctl -w vm.swappiness=10, or swapoff -a",
        severity: Warn,
        in_a_lab: Warn,
        look: resources::swappiness,
    },
    Check {
        name: "clocksource",
        asks: "is reading the clock cheap?",
        why: "The clock is read once a turn of each shard; without tsc or the hypervisor's clock each reading is a system call of a microsecond.",
        mend: "Remove clocksource= and tsc= from the kernel's command line; ask the hypervisor for an invariant TSC.",
        severity: Warn,
        in_a_lab: Warn,
        look: place::clocksource,
    },
    Check {
        name: "time-sync",
        asks: "is the clock kept right by NTP?",
        why: "CDRs carry wall-clock times and rates change at them: a clock that is off makes disputes with carriers.",
        mend: "apt-get install chrony, or systemctl enable --now systemd-timesyncd",
        severity: Fatal,
        in_a_lab: Warn,
        look: place::time_sync,
    },
    Check {
        name: "disk-space",
        asks: "is there room for the journal while the database is away?",
        why: "No call is taken without a place for its CDR: at 95 % of the disk new calls are refused.",
        mend: "Give the data folder a larger file system of its own.",
        severity: Fatal,
        in_a_lab: Warn,
        look: place::disk_space,
    },
    Check {
        name: "disk-sync",
        asks: "is a synchronous write fast enough for the answer of a call?",
        why: "With --journal-sync fdatasync each 200 OK waits for the disk.",
        mend: "Put the data folder on a disk with power-loss protection, or keep --journal-sync written.",
        severity: Warn,
        in_a_lab: Warn,
        look: place::disk_sync,
    },
];
