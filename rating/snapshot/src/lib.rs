//! The bytes of a snapshot: everything that a shard needs to decide, of one moment.
//!
//! The control plane fills a [`Model`], encodes it and publishes the file; the data plane maps the file, checks it once and
//! reads it in place through a [`View`].
//!
//! ```text
//!  header ─ carriers ─ accounts ─ ingress trunks ─ sources ─ gates ─ egress trunks ─ decks ─ plans ─ routes ─ strings ─ deck tables
//! ```
//! All numbers are little-endian, at any alignment; records have a fixed size and are sorted by id; text stands in `strings`.
#![no_std]

extern crate alloc;
// What derives the API's schema names it.
#[cfg(feature = "schema")]
#[macro_use]
extern crate std;

mod checks;
mod crc64;
mod deck;
mod encode;
mod flaw;
mod layout;
mod model;
mod pack;
pub mod policy;
mod prefix;
mod read;
mod verify;
mod view;

pub use deck::{DeckView, RateView};
pub use flaw::{ImageFlaw, ModelFlaw};
pub use model::{
    ATTEMPTS_MAX, Account, Carrier, Deck, EgressTrunk, IngressTrunk, Model, Order, PLAN_ROUTES_MAX, PREFIX_BYTES_MAX,
    Plan, PlanRoute, Rate, Source,
};
pub use policy::{Policy, PolicyFlaw, Side};
pub use view::{AccountView, CarrierView, EgressView, IngressView, PlanView, View};
