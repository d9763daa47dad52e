//! The B2BUA: one call is two legs and a bridge.
//!
//! One call in a few lines: [`Call::begin`] takes an admitted INVITE, says 100 and asks for room on the ingress trunk
//! ([`effect::Effect::Take`]) and for money ([`effect::Effect::Reserve`]). With both it asks `rating` for routes and hunts:
//! for each route it takes room on the egress trunk, opens two media port pairs, and sends an INVITE of its own with its own
//! Call-ID and SDP. What the terminator says comes back as bridge events: progress is passed on, a refusal leads to the next
//! route or ends the call, an answer is first journaled ([`Call::on_journaled`]) and only then passed on. While the call runs,
//! re-INVITE, UPDATE and INFO cross the bridge, and the reserve is extended before its paid time ends. Either side's BYE, a
//! limit or an operator ends it: the record is journaled, then the BYE is answered. The call lingers until its transactions
//! are over, and gives everything back: ports, room, money.
#![no_std]

extern crate alloc;

pub mod bridge;
mod call;
pub mod effect;
pub mod leg;
pub mod limits;
pub mod random;
pub mod release;
pub mod stir;
pub mod ways;

pub use call::{Call, Context, Opening, Remembered, StateFlaw, Summary};
pub use leg::{Desk, Listener, Switch};
pub use random::Random;
pub use ways::{Target, Ways};
