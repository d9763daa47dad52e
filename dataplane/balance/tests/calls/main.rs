//! Where messages go, while cores come, go and die.
#![allow(clippy::unwrap_used, reason = "a broken test may stop")]

mod stories;
mod world;
