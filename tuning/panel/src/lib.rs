//! The instrument panel of both programs: what operators may set, what they may read, and how they ask.
#![no_std]

extern crate alloc;

pub mod balancer;
pub mod metrics;
pub mod settings;
pub mod wire;
