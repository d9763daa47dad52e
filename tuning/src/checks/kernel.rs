//! The kernel and what it lets us do.

use super::{Found, Sight};

/// The first kernel with all that the data plane uses.
const KERNEL_MIN: (u32, u32) = (6, 1);

pub fn version(sight: &Sight) -> Found {
    let want = format!("{}.{} or later", KERNEL_MIN.0, KERNEL_MIN.1);
    let release = sight.host.read("proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Found::compared(want, if release.is_empty() { "unknown".into() } else { release.clone() }, found >= KERNEL_MIN)
}

pub fn io_uring(sight: &Sight) -> Found {
    let want = "kernel.io_uring_disabled = 0";
    match sight.host.number("proc/sys/kernel/io_uring_disabled") {
        Some(0) => Found::compared(want, "0", true),
        // Value 1 spares processes with CAP_SYS_ADMIN, number 21 of capabilities(7).
        Some(1) if sight.host.capable(21) => Found::compared(want, "1, and this process has CAP_SYS_ADMIN", true),
        Some(value) => Found::compared(want, value.to_string(), false),
        // The switch came with Linux 6.6; before it, io_uring is there when it was built in.
        None => Found::compared(want, "no such switch in this kernel", sight.host.exists("proc/sys/kernel/osrelease")),
    }
}
