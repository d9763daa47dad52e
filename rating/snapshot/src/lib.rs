//! The bytes of a snapshot: everything that a shard needs to decide, of one moment.
//!
//! The control plane fills a [`Model`], encodes it and publishes the file; the data plane maps the file, checks it once and
//! reads it in place through a [`View`].
//!
//! ```text
//!  header ─ carriers ─ accounts ─ ingress trunks ─ sources ─ gates ─ egress trunks ─ decks ─ plans ─ routes ─ strings
//!                                                                                  │
//!              header ─ buckets ─ slots ─ prefixes with letters ─ dated ─ lines ─ strings, an image for each deck
//! ```
//! The image of a deck holds its rates and nothing that points out of it. It stands behind the main image in the same piece, or in a
//! file of its own that the main image names by checksum and length: then revisions share those of decks that did not change.
//!
//! All numbers are little-endian, at any alignment; records have a fixed size and are sorted by id; text stands in `strings`.
#![no_std]

extern crate alloc;
// What derives the API's schema names it.
#[cfg(feature = "schema")]
#[macro_use]
extern crate std;

mod calendar;
mod checks;
mod crc64;
mod deck;
mod encode;
mod exchange;
mod flaw;
mod image;
mod layout;
mod model;
mod pack;
pub mod policy;
mod prefix;
mod read;
pub mod routing;
mod row;
mod seek;
mod together;
mod verify;
mod view;

pub use calendar::{Calendar, CalendarFlaw, Day, Minute, OFFSETS_MAX, Offset, Peak, Weekday};
pub use deck::{DeckView, RateView, When};
pub use encode::Encoded;
pub use exchange::EXCHANGE_VALUE_MAX;
pub use flaw::{ImageFlaw, ModelFlaw};
pub use image::{Bytes, DeckImage, Mark, Wanted};
pub use model::{
    ATTEMPTS_MAX, Account, Carrier, CarrierLimits, Deck, EgressTrunk, ExchangeRate, FAILOVER_PLANS_MAX, GroupMember,
    IngressTrunk, Limits, Model, Order, PLAN_ROUTES_MAX, PREFIX_BYTES_MAX, Plan, PlanRoute, Rate, Source, TrunkGroup,
    Way, Ways,
};
pub use pack::Packer;
pub use policy::{Policy, PolicyFlaw, Side};
pub use routing::{PlanRules, RouteRules};
pub use seek::{Key, Seek};
pub use together::{Refusal, Snapshot};
pub use view::{AccountView, CarrierView, EgressView, IngressView, PlanView, RouteView, View};
