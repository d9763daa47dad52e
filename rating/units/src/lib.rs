//! The words that both planes count in: money, numbers, time, ids and causes.
//!
//! Nothing here reads a clock or knows a protocol; two programs that agree on these types agree on what a call costs.
#![no_std]

extern crate alloc;

mod cause;
mod class;
mod hex;
mod ids;
mod money;
pub mod mutant;
mod number;
mod percent;
mod suite;
mod terms;
mod time;
mod words;

pub use cause::Cause;
pub use class::{Hours, Jurisdiction, RateClass};
pub use hex::from_hex;
pub use ids::{
    AccountId, AttemptIndex, CallId, CarrierId, DeckId, EgressTrunkId, GrantId, IngressTrunkId, NodeId, PlanId,
    Revision, ShardId, TrunkGroupId,
};
pub use money::{Currency, Money};
pub use number::{NUMBER_BYTES_MAX, Number, NumberFlaw, has_separators};
pub use percent::Percent;
pub use suite::{SECRET_BYTES_MAX, Suite};
pub use terms::{EXCHANGE_ONE, Rounding, TAX_PPM_MAX, Terms};
pub use time::{Clock, Instant, WallTime};
