//! The kernel and what it lets us do.

use super::{Change, Check, Fatal, Found, Info, Sight};

/// The first kernel with all that the data plane uses.
const KERNEL_MIN: (u32, u32) = (6, 1);
const SWITCH: &str = "proc/sys/kernel/io_uring_disabled";

/// The kernel and what it lets us do.
pub const CHECKS: &[Check] = &[
    Check {
        name: "kernel",
        asks: "is the kernel 6.1 or later?",
        why: "The data plane uses multishot receive into provided buffers and deferred task running, which are complete from Linux 6.1 on.",
        mend: "Install a later kernel: Debian 12 and Ubuntu 24.04 have one.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: version,
    },
    Check {
        name: "io-uring",
        asks: "may processes use io_uring?",
        why: "Every packet goes through io_uring; a kernel that refuses it cannot run the data plane.",
        mend: "sysctl -w kernel.io_uring_disabled=0; in a container also allow io_uring in its seccomp profile.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: io_uring,
    },
    Check {
        name: "io-uring-features",
        asks: "can this kernel's io_uring do each thing that the data plane asks of it?",
        why: "A kernel of the right version may still be built or fenced without one of them; each is tried, one by one.",
        mend: "Install a distribution's kernel of 6.1 or later; in a container allow io_uring in its seccomp profile.",
        severity: Fatal,
        in_a_lab: Fatal,
        look: io_uring_features,
    },
    Check {
        name: "fast-path",
        asks: "may the kernel relay established media itself?",
        why: "Without it each packet passes through sockets, at several times the cost. The data plane says at its start which way it took.",
        mend: "Run the data plane as root or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, on a kernel with BTF, as those of distributions are.",
        severity: Info,
        in_a_lab: Info,
        look: fast_path,
    },
    Check {
        name: "media-sockets",
        asks: "may media ports share one socket a shard?",
        why: "Otherwise each port has a socket: four descriptors a call, and more cycles a packet. The data plane says at its start which it took.",
        mend: "Run the data plane as root or with CAP_BPF, CAP_NET_ADMIN and CAP_NET_RAW.",
        severity: Info,
        in_a_lab: Info,
        look: media_sockets,
    },
];

fn version(sight: &Sight) -> Found {
    let want = format!("{}.{} or later", KERNEL_MIN.0, KERNEL_MIN.1);
    let release = sight.host.read("proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Found::compared(want, if release.is_empty() { "unknown".into() } else { release.clone() }, found >= KERNEL_MIN)
}

fn io_uring(sight: &Sight) -> Found {
    let want = "kernel.io_uring_disabled = 0";
    match sight.host.number(SWITCH) {
        Some(0) => Found::compared(want, "0", true),
        // Value 1 spares processes with CAP_SYS_ADMIN, number 21 of capabilities(7).
        Some(1) if sight.host.capable(21) => Found::compared(want, "1, and this process has CAP_SYS_ADMIN", true),
        Some(value) => Found::compared(want, value.to_string(), false).with([Change::kernel(sight.host, SWITCH, 0)]),
        // The switch came with Linux 6.6; before it, io_uring is there when it was built in.
        None => Found::compared(want, "no such switch in this kernel", sight.host.exists("proc/sys/kernel/osrelease")),
    }
}

fn fast_path(sight: &Sight) -> Found {
    let want = "a kernel with BTF, and the rights";
    // capabilities(7): 12 is CAP_NET_ADMIN, 38 CAP_PERFMON, 39 CAP_BPF.
    let rights = [12, 38, 39].into_iter().all(|number| sight.host.capable(number));
    match (sight.host.exists("sys/kernel/btf/vmlinux"), rights) {
        (true, true) => Found::compared(want, "both", true),
        // Sockets relay everything then, which is allowed.
        (true, false) => Found::not_applicable(want, "this process has not the rights"),
        (false, _) => Found::not_applicable(want, "no BTF"),
    }
}

fn media_sockets(sight: &Sight) -> Found {
    let want = "the rights";
    // capabilities(7): 12 is CAP_NET_ADMIN, 13 CAP_NET_RAW, 39 CAP_BPF.
    if [12, 13, 39].into_iter().all(|number| sight.host.capable(number)) {
        return Found::compared(want, "they are there", true);
    }
    // A socket for each port works as well.
    Found::not_applicable(want, "this process has not the rights")
}

fn io_uring_features(sight: &Sight) -> Found {
    let want = "each is there";
    match &sight.host.rings {
        Ok(features) => {
            let lacking: Vec<&str> = features.iter().filter(|(_, able)| !able).map(|(name, _)| name.as_str()).collect();
            let found = match lacking.as_slice() {
                [] => format!("all {}", features.len()),
                some => format!("lacks {}", some.join(", ")),
            };
            Found::compared(want, found, lacking.is_empty())
        }
        Err(flaw) if flaw.starts_with("no ring") => Found::compared(want, flaw.clone(), false),
        Err(flaw) => Found::not_applicable(want, flaw.clone()),
    }
}
