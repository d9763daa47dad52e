//! Who is primary, and who holds which address: decisions alone, without a clock, a socket or a database.
//!
//! An *arbiter* keeps one [`Book`] a service: who holds it, in which epoch, and whether the holder's lease lives. Each node runs one
//! [`Keeper`] for the database. Several times a second the keeper is told what the local database says, and answers with what the
//! database must be, whether the shared address belongs here, and what to write into the book. A program carries that out; the
//! simulator in `tests/` carries it out on databases and cables of its own.
//!
//! A [`Vigil`] says when a holder is gone that the arbiter still waits for.
//!
//! The arbiter is etcd, or, where there are two servers and no third, a [`Pair`] on each of them.
//!
//! A [`Remote`] is a replica in another data centre, which is primary by an operator's command alone.
//!
//! [`AddressKeeper`] does the same for a shared address without a database behind it: of SIP balancers, of the pages.
//!
//! What holds, whatever fails: no two databases take writes in the same moment, and no write that was acknowledged is lost while one
//! of the two databases that had it lives on. The rules behind it stand at the lines that keep them.
//!
//! [`Sight`] is what stands in etcd, or what one of two servers tells of both, read; [`if_lost`], [`may_promote`] and [`misplaced`] tell an operator what follows from it.
#![no_std]

extern crate alloc;

mod address;
mod book;
pub mod broken;
mod foresight;
mod groups;
mod keeper;
mod machine;
mod pair;
mod reign;
mod remote;
pub mod sight;
mod troubles;
mod versions;
mod vigil;
pub mod words;

pub use address::{AddressKeeper, AddressSettings, AddressTurn};
pub use book::{Ask, Book, Refused, Write};
pub use foresight::{Consequence, NotNow, Weight, if_lost, may_promote};
pub use groups::{Group, Misplaced, groups, misplaced};
pub use keeper::{Keeper, Outcome, Role, Settings, Turn};
pub use machine::{DiskStatus, MachineStatus, ProgramStatus, ShardLoad};
pub use pair::{
    Beat, Kept, Page, Pair, PairReport, PairSettings, PairTurn, PanelAnswer, PanelAsk, PathReport, Standing, Stands,
};
pub use reign::{Local, Process, Replica};
pub use remote::{NotPromoted, Remote, RemoteSettings, Source};
pub use sight::{Member, NodeSight, Service, Sight};
pub use troubles::troubles;
pub use versions::{mixed, version};
pub use vigil::Vigil;
