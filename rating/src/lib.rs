//! What a call may do and what it costs: from an address and a number to trunks, rates, routes and prices.
//!
//! Everything here is a function of a snapshot, a moment and a seed. The same inputs give the same answer on every node, in the
//! simulator of the GUI and in a replay.
#![no_std]

extern crate alloc;

mod admit;
mod charge;
pub mod decision;
pub mod deck;
pub mod derive;
mod destination;
pub mod diff;
mod e164;
mod jurisdiction;
mod margin;
pub mod policy;
pub mod quality;
pub mod replay;
mod rerate;
mod routes;
pub mod whatif;

pub use admit::{Admission, Arrival, admit, admit_by, is_known};
pub use charge::{Charge, FIRST_SLICE_S, charge, first_slice, paid_ms, reserve};
pub use destination::Destination;
pub use e164::{country_digits, is_international};
pub use jurisdiction::{judge, state_of};
pub use margin::{asked, dearest, in_account, is_too_dear, margin, minute, sell};
pub use policy::choice::Choice;
pub use policy::{Policies, Rules};
pub use rerate::rerate;
pub use routes::{
    Ask, Candidate, ROUTES_MAX, Reason, Routes, Today, Verdict, marked, numbers_of, on_this_day, outbound_number,
    quote, random, routes,
};
