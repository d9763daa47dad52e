//! The fast path: established media flows relayed inside the kernel, by one C program on XDP or tc.
//!
//! User space joins a flow once both its directions have latched, and parts it at the call's end or when the call needs user space
//! again. A packet that no joined flow fits goes up unchanged, so the socket relay stays the only judge of strangers; nothing is
//! dropped here. Without clang at build time, without the rights or without a driver that takes the program, loading fails with
//! the reason and the socket relay carries everything.
//!
//! Beside it stands a program that steers what comes to media ports to one socket a shard, for what the socket relay carries.

mod flow;
mod hops;
mod links;
mod program;
mod steer;

pub use flow::{Flow, Heard, mark};
pub use hops::{Hop, HopId, Hops};
pub use links::{Links, has_address};
pub use program::{Attached, Broken, Count, Counts, FastPath, Flows, Mode, Settings, Tier, Unavailable, now_ns};
pub use steer::{SHARDS_MAX, Steer, Steering};
