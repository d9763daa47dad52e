//! RFC 3261 without sockets: messages in and out of bytes, the four transactions, dialogs.
#![no_std]

extern crate alloc;

pub mod address;
pub mod auth;
pub mod behind;
pub mod client;
pub mod dialog;
pub mod effect;
pub mod flaw;
pub mod hop;
pub mod invite_client;
pub mod invite_server;
pub mod lex;
pub mod message;
pub mod method;
pub mod multipart;
pub mod name;
pub mod packed;
pub mod parse;
pub mod peek;
pub mod print;
pub mod server;
pub mod stored;
pub mod stream;
pub mod uri;
pub mod via;

pub use address::Address;
pub use flaw::{Flaw, FlawKind};
pub use hop::{Flow, Hop, Transport};
pub use message::{CSeq, Message, Start};
pub use method::Method;
pub use name::Name;
pub use print::Printer;
pub use stored::{Marks, Stored};
pub use uri::{Number, Scheme, Uri};
pub use via::Via;
