//! How many calls with media this process can have at a time, and which of its means ends first.

use std::fmt::{Display, Formatter};

use panel::wire::PORTS_PER_CALL;

/// Memory that a call with media takes at most, kernel and ourselves together, in bytes: a call with its transactions and its
/// captured messages, and packets of its ports that wait.
const BYTES_PER_CALL: u64 = 32 << 10;
/// A socket of its own for a port, in bytes.
const BYTES_PER_SOCKET: u64 = 4 << 10;
/// Descriptors of a process that are not sockets of calls.
const OTHER_FILES: u64 = 256;

/// Calls with media at most, by each of the means that they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// By the range of media ports.
    pub ports: u64,
    /// By descriptors: of the process, and of each shard's ring; none where ports share sockets.
    pub descriptors: Option<u64>,
    /// By memory that is free at the start.
    pub memory: u64,
}

impl Ceiling {
    /// Of `ports` media ports that have a socket each, shards whose rings take `ring` sockets each, a process with `files`
    /// descriptors, and `free` bytes.
    pub fn new(ports: u64, (shards, ring): (u64, u64), files: u64, free: u64) -> Ceiling {
        let rings = shards * ring.saturating_sub(OTHER_FILES.min(ring / 4));
        // The ring's table holds sockets; their own descriptors are closed once they are in it.
        let descriptors = rings.min(shards * files.saturating_sub(OTHER_FILES)) / PORTS_PER_CALL;
        let memory = free / (BYTES_PER_CALL + PORTS_PER_CALL * BYTES_PER_SOCKET);
        Ceiling { ports: ports / PORTS_PER_CALL, descriptors: Some(descriptors), memory }
    }

    /// Of `ports` media ports that share sockets, and `free` bytes.
    pub fn shared(ports: u64, free: u64) -> Ceiling {
        Ceiling { ports: ports / PORTS_PER_CALL, descriptors: None, memory: free / BYTES_PER_CALL }
    }

    /// As this machine is.
    pub fn here(ports: u64, shards: u64, shared: bool) -> Ceiling {
        let free = free_bytes().unwrap_or(u64::MAX);
        if shared {
            return Ceiling::shared(ports, free);
        }
        let ring = u64::from(uring::Settings::fitting().sockets);
        Ceiling::new(ports, (shards, ring), uring::host::open_files_max(), free)
    }

    /// What ends first, and at how many calls.
    pub fn calls(&self) -> (u64, &'static str) {
        let descriptors = self.descriptors.unwrap_or(u64::MAX);
        let rows = [(self.ports, "media ports"), (descriptors, "descriptors"), (self.memory, "memory")];
        rows.into_iter().min_by_key(|(calls, _)| *calls).expect("there are three of them")
    }
}

impl Display for Ceiling {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by ports, ", self.ports)?;
        match self.descriptors {
            Some(calls) => write!(f, "{calls} by descriptors, ")?,
            None => f.write_str("any by descriptors, ")?,
        }
        write!(f, "{} by memory", self.memory)
    }
}

/// Memory that may be had without swapping, in bytes (proc_meminfo(5)).
fn free_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_first_is_named() {
        let vast = u64::MAX / 2;
        for (ports, ring, files, free, calls, named) in [
            (20_000, 16_384, 1 << 20, vast, 5_000, "media ports"),
            (20_000, 960, 1_024, vast, 360, "descriptors"),
            (20_000, 16_384, 1 << 20, 48 << 20, 1_024, "memory"),
        ] {
            assert_eq!(Ceiling::new(ports, (2, ring), files, free).calls(), (calls, named));
        }
        assert_eq!(Ceiling::new(8, (1, 16), 64, vast).calls(), (0, "descriptors"));
        assert_eq!(Ceiling::shared(65_000, vast).calls(), (16_250, "media ports"));
        assert_eq!(
            Ceiling::shared(8, vast).to_string(),
            format!("2 by ports, any by descriptors, {} by memory", vast >> 15)
        );
        assert!(free_bytes().is_some_and(|bytes| bytes > 0), "this machine has memory");
    }
}
