//! The bytes of a snapshot: everything that a shard needs to decide, of one moment.
//!
//! The control plane fills a [`Model`], encodes it and publishes the file; the data plane maps the file, checks it once and
//! reads it in place through a `View`.
#![no_std]

extern crate alloc;

mod model;

pub use model::{
    Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Order, Plan, PlanRoute, Rate, Source,
};
